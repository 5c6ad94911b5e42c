using System.Diagnostics;
using Gateway.FunctionalTests.FrontDoor;
using Gateway.TestKit;
using Xunit;

namespace Gateway.FunctionalTests.Sdk;

/// <summary>The official OpenAI Node client, unmodified, driven by <c>Sdk/node/client.mjs</c>.</summary>
public sealed class OpenAiNodeTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Chats_streams_lists_models_and_maps_errors()
    {
        if (Ready() is not { } folder)
        {
            return;
        }

        await using var gateway = await GatewayUnderTest.StartAsync();
        Assert.Equal(["chat Hello stop 9", "stream Hello stop", "models starter", "error 404 model_not_found"], await RunAsync(folder, "client.mjs", gateway.Host.Address));
    }

    /// <summary>Every option of the inference endpoints, on a real engine behind the front door.</summary>
    [Fact]
    public async Task Every_option_works_on_a_real_engine()
    {
        if (Ready() is not { } folder)
        {
            return;
        }

        await using var served = await ServedModel.StartAsync();
        var lines = await RunAsync(folder, "surface.mjs", served.Host.Address, ServedModel.ToolDeployment);

        Assert.Equal(23, lines.Length);
        Assert.All(lines, line => Assert.StartsWith("ok ", line, StringComparison.Ordinal));
    }

    /// <summary>The responses API, on a real engine.</summary>
    [Fact]
    public async Task Responses_work_on_a_real_engine()
    {
        if (Ready() is not { } folder)
        {
            return;
        }

        await using var served = await ServedModel.StartAsync();
        var lines = await RunAsync(folder, "responses.mjs", served.Host.Address, ServedModel.ToolDeployment);

        Assert.Equal(15, lines.Length);
        Assert.All(lines, line => Assert.StartsWith("ok ", line, StringComparison.Ordinal));
    }

    private static string? Ready()
    {
        var folder = SourceFolder();
        if (folder is not null && Directory.Exists(Path.Combine(folder, "node_modules", "openai")) && IsOnPath("node"))
        {
            return folder;
        }

        const string Need = "needs node and its packages: run 'npm ci' in tests/Gateway.FunctionalTests/Sdk/node.";
        Assert.False(TestData.RequireAll, Need);
        Assert.Skip(Need);
        return null;
    }

    private static async Task<string[]> RunAsync(string folder, string script, Uri address, params string[] more)
    {
        using var node = Process.Start(new ProcessStartInfo("node", [Path.Combine(folder, script), new Uri(address, "/v1").AbsoluteUri, .. more])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var output = node.StandardOutput.ReadToEndAsync(Cancellation);
        var errors = node.StandardError.ReadToEndAsync(Cancellation);
        await node.WaitForExitAsync(Cancellation);
        Assert.True(node.ExitCode == 0, $"{await output}\n{await errors}");
        return (await output).Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    // node_modules lie beside the sources, where 'npm ci' puts them; they are not copied with the build.
    private static string? SourceFolder()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Gateway.sln")))
            {
                return Path.Combine(folder.FullName, "tests", "Gateway.FunctionalTests", "Sdk", "node");
            }
        }

        return null;
    }

    private static bool IsOnPath(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .Any(folder => File.Exists(Path.Combine(folder, program)) || File.Exists(Path.Combine(folder, program + ".exe")));
}
