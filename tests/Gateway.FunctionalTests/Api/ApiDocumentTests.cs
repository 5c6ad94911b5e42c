using System.Collections.Concurrent;
using System.Formats.Tar;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Gateway.FunctionalTests.Sdk;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Gateway.FunctionalTests.Api;

/// <summary>docs/api.md on a real gateway: what is written there works, and nothing that the gateway serves is missing there.</summary>
public sealed partial class ApiDocumentTests
{
    /// <summary>
    /// 1 a new gateway with an adapter to upload and one to import; 2 every example in order, each able to use the replies that
    /// were named before it; 3 every endpoint of the application was the target of one.
    /// </summary>
    [Fact]
    public async Task Every_example_works_and_every_endpoint_has_one()
    {
        // 1 Gateway.
        var reached = new ReachedEndpoints();
        await using var served = await ServedModel.StartAsync(configure: builder => builder.Services.AddSingleton<IStartupFilter>(reached));
        using var tar = new MemoryStream();
        await TarFile.CreateFromDirectoryAsync(served.Model.WriteAdapter(1), tar, includeBaseDirectory: false, TestContext.Current.CancellationToken);
        var import = Directory.CreateDirectory(Path.Combine(served.DataFolder, "import"));
        Directory.Move(served.Model.WriteAdapter(2), Path.Combine(import.FullName, "my-adapter"));
        var files = new Dictionary<string, byte[]>(StringComparer.Ordinal) { ["my-adapter.tar"] = tar.ToArray() };

        // 2 Examples.
        var replies = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        foreach (var example in ApiExample.ReadAll(await File.ReadAllTextAsync(PagePath(), TestContext.Current.CancellationToken)))
        {
            using var request = RequestOf(example, replies, files);
            using var reply = await served.Client.SendAsync(request, TestContext.Current.CancellationToken);
            var text = await reply.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
            Assert.True(example.Status is { } status ? (int)reply.StatusCode == status : reply.IsSuccessStatusCode, $"{example.Call}: {(int)reply.StatusCode} {text}");
            if (example.Name is { } name)
            {
                replies[name] = JsonDocument.Parse(text).RootElement;
            }
        }

        // 3 Endpoints.
        Assert.Empty(Endpoints(served).Except(reached.Calls));
    }

    private static IEnumerable<string> Endpoints(ServedModel served) =>
        from endpoint in served.Host.App.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
        from method in endpoint.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods ?? ["ANY"]
        select $"{method} {endpoint.RoutePattern.RawText}";

    private static HttpRequestMessage RequestOf(ApiExample example, Dictionary<string, JsonElement> replies, Dictionary<string, byte[]> files)
    {
        var call = Filled(example.Call).Split(' ');
        var request = new HttpRequestMessage(new HttpMethod(call[0]), call[1]);
        if (example.Body.Length > 0)
        {
            request.Content = new ByteArrayContent(example.Body.StartsWith("< ", StringComparison.Ordinal) ? files[example.Body[2..]] : Encoding.UTF8.GetBytes(Filled(example.Body)));
            request.Content.Headers.ContentType = new("application/json");
        }

        foreach (var (name, value) in example.Headers)
        {
            if (name == "Content-Type")
            {
                request.Content!.Headers.ContentType = new(value);
            }
            else
            {
                request.Headers.Add(name, Filled(value));
            }
        }

        return request;

        string Filled(string text) => MemberOfReply().Replace(text, match => replies[match.Groups["reply"].Value].GetProperty(match.Groups["member"].Value).ToString());
    }

    private static string PagePath()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder!.FullName, "Gateway.sln")))
        {
            folder = folder.Parent;
        }

        return Path.Combine(folder.FullName, "docs", "api.md");
    }

    [GeneratedRegex(@"\{(?<reply>\w+)\.(?<member>\w+)\}", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex MemberOfReply();

    /// <summary>Notes the endpoint that routing chose for each request.</summary>
    private sealed class ReachedEndpoints : IStartupFilter
    {
        private readonly ConcurrentDictionary<string, bool> _calls = new(StringComparer.Ordinal);

        public ICollection<string> Calls => _calls.Keys;

        public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
        {
            // An endpoint is noted before the reply begins, so that a client that has it finds it noted.
            app.Use((context, rest) =>
            {
                context.Response.OnStarting(() =>
                {
                    if (context.GetEndpoint() is RouteEndpoint endpoint)
                    {
                        _calls.TryAdd($"{context.Request.Method} {endpoint.RoutePattern.RawText}", true);
                    }

                    return Task.CompletedTask;
                });
                return rest(context);
            });
            next(app);
        };
    }
}
