using System.Diagnostics;
using Gateway.FunctionalTests.FrontDoor;
using Gateway.TestKit;
using Xunit;

namespace Gateway.FunctionalTests.Sdk;

/// <summary>The official OpenAI Node client, unmodified, driven by <c>Sdk/node/client.mjs</c>.</summary>
public sealed class OpenAiNodeTests
{
    [Fact]
    public async Task Chats_streams_lists_models_and_maps_errors()
    {
        var folder = SourceFolder();
        if (folder is null || !Directory.Exists(Path.Combine(folder, "node_modules", "openai")) || !IsOnPath("node"))
        {
            const string Need = "needs node and its packages: run 'npm ci' in tests/Gateway.FunctionalTests/Sdk/node.";
            Assert.False(TestData.RequireAll, Need);
            Assert.Skip(Need);
            return;
        }

        await using var gateway = await GatewayUnderTest.StartAsync();
        using var node = Process.Start(new ProcessStartInfo("node", [Path.Combine(folder, "client.mjs"), new Uri(gateway.Host.Address, "/v1").AbsoluteUri])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var output = node.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        var errors = node.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await node.WaitForExitAsync(TestContext.Current.CancellationToken);

        Assert.True(node.ExitCode == 0, await errors);
        Assert.Equal(["chat Hello stop 9", "stream Hello stop", "models starter", "error 404 model_not_found"], (await output).Split('\n', StringSplitOptions.RemoveEmptyEntries));
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
