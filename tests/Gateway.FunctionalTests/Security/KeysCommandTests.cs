using System.Diagnostics;
using Gateway.TestKit;
using Gateway.TestKit.Processes;
using Xunit;

namespace Gateway.FunctionalTests.Security;

/// <summary><c>gateway keys</c> on a data folder, and the gateway that is started on it.</summary>
public sealed class KeysCommandTests
{
    [Fact]
    public async Task A_key_made_in_the_store_opens_the_gateway_that_is_started_on_it()
    {
        using var data = TestData.CreateFolder();
        var (consumerCode, _) = await RunAsync("create", "--data", data.Path, "--scope", "inference", "--owner", "ann");
        Assert.Equal(1, consumerCode);

        var (code, output) = await RunAsync("create", "--data", data.Path);
        Assert.Equal(0, code);
        var secret = output.Trim();
        var (_, second) = await RunAsync("create", "--data", data.Path, "--scope", "inference", "--scope", "feedback", "--owner", "ann");
        var id = second.Trim().Split('_')[1];
        Assert.Equal(0, (await RunAsync("revoke", id, "--data", data.Path)).Code);
        var (_, list) = await RunAsync("list", "--data", data.Path);
        Assert.Contains("revoked", list, StringComparison.Ordinal);
        Assert.DoesNotContain(secret, list, StringComparison.Ordinal);

        using var gateway = await GatewayProcess.StartAsync(data.Path, TestContext.Current.CancellationToken);
        using var refused = await gateway.Http.GetAsync("/v1/keys", TestContext.Current.CancellationToken);
        Assert.Equal(401, (int)refused.StatusCode);
        gateway.Http.DefaultRequestHeaders.Authorization = new("Bearer", secret);
        using var allowed = await gateway.Http.GetAsync("/v1/keys", TestContext.Current.CancellationToken);
        Assert.Equal(200, (int)allowed.StatusCode);
        gateway.Http.DefaultRequestHeaders.Authorization = new("Bearer", second.Trim());
        using var revoked = await gateway.Http.GetAsync("/v1/models", TestContext.Current.CancellationToken);
        Assert.Equal(401, (int)revoked.StatusCode);
    }

    private static async Task<(int Code, string Output)> RunAsync(params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in (string[])[GatewayProcess.Assembly, "keys", .. arguments])
        {
            start.ArgumentList.Add(argument);
        }

        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await errors;
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (process.ExitCode, output);
    }
}
