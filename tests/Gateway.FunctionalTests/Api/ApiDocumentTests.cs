using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using Gateway.FunctionalTests.Sdk;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Gateway.FunctionalTests.Api;

/// <summary>Every example request of docs/api.md, in order, on a real gateway: what is written there works.</summary>
public sealed partial class ApiDocumentTests
{
    [Fact]
    public async Task Every_example_works()
    {
        await using var served = await ServedModel.StartAsync();
        var examples = Examples();
        Assert.NotEmpty(examples);
        var response = "";
        foreach (var example in examples)
        {
            var lines = example.Replace("{response}", response, StringComparison.Ordinal).Split('\n');
            var call = lines[0].Split(' ');
            var expected = lines.FirstOrDefault(line => line.StartsWith("→ ", StringComparison.Ordinal)) is { } status ? int.Parse(status[2..]) : 0;
            var body = string.Join('\n', lines.Skip(1).Where(line => !line.StartsWith('→')));
            using var request = new HttpRequestMessage(new HttpMethod(call[0]), call[1]);
            request.Content = body.Length == 0 ? null : new StringContent(body, Encoding.UTF8, "application/json");
            using var reply = await served.Client.SendAsync(request, TestContext.Current.CancellationToken);
            var text = await reply.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
            Assert.True(expected == 0 ? reply.IsSuccessStatusCode : reply.StatusCode == (HttpStatusCode)expected, $"{lines[0]}: {(int)reply.StatusCode} {text}");
            if (lines[0] == "POST /v1/responses")
            {
                response = ResponseId().Match(text).Value;
            }
        }
    }

    [Fact]
    public async Task Every_call_on_responses_has_an_example()
    {
        await using var served = await ServedModel.StartAsync();
        var written = Examples().Select(example => example.Split('\n')[0].Split('?')[0].Replace("{response}", "{id}", StringComparison.Ordinal)).ToHashSet(StringComparer.Ordinal);
        var calls = from endpoint in served.Host.App.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
                    let pattern = endpoint.RoutePattern.RawText!
                    where pattern.StartsWith("/v1/responses", StringComparison.Ordinal) && !pattern.EndsWith("compact", StringComparison.Ordinal)
                    from method in endpoint.Metadata.GetMetadata<HttpMethodMetadata>()!.HttpMethods
                    select $"{method} {pattern}";
        Assert.Empty(calls.Except(written).Except(["GET /v1/responses"]));
    }

    private static List<string> Examples()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder!.FullName, "Gateway.sln")))
        {
            folder = folder.Parent;
        }

        return [.. Block().Matches(File.ReadAllText(Path.Combine(folder.FullName, "docs", "api.md"))).Select(match => match.Groups["text"].Value.Trim())];
    }

    [GeneratedRegex("^```http\n(?<text>.*?)^```", RegexOptions.Multiline | RegexOptions.Singleline | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Block();

    [GeneratedRegex("resp_[0-9a-f]{40}", RegexOptions.None, 1000)]
    private static partial Regex ResponseId();
}
