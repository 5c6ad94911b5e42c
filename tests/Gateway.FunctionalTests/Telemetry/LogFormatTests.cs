using System.Diagnostics;
using System.Text.Json;
using Gateway.FunctionalTests.FrontDoor;
using Gateway.TestKit;
using Gateway.TestKit.Processes;
using Xunit;

namespace Gateway.FunctionalTests.Telemetry;

/// <summary>Structured logs, by the runtime's standard settings.</summary>
public sealed class LogFormatTests
{
    [Fact]
    public async Task Json_logs_have_one_object_per_line_with_fields_and_no_content()
    {
        using var data = TestData.CreateFolder();
        using var model = new TinyModel();
        await using var worker = await FakeWorker.StartAsync();
        var address = $"http://127.0.0.1:{GatewayProcess.FreePort()}";
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true };
        start.Environment["Logging__Console__FormatterName"] = "json";
        start.Environment["Logging__LogLevel__Gateway"] = "Debug";
        foreach (var argument in (string[])[GatewayProcess.Assembly, "serve", "--data", data.Path, "--model", model.Path, "--urls", address, "--worker", worker.Address.AbsoluteUri])
        {
            start.ArgumentList.Add(argument);
        }

        using var gateway = Process.Start(start)!;
        try
        {
            await LineAsync("Ctrl-C");
            using var client = new HttpClient { BaseAddress = new Uri(address) };
            using var response = await client.PostAsync(
                "/v1/chat/completions",
                new StringContent("""{"model":"starter","messages":[{"role":"user","content":"a secret question"}]}""", System.Text.Encoding.UTF8, "application/json"),
                TestContext.Current.CancellationToken);
            var id = (await GatewayUnderTest.ReadAsync(response)).GetProperty("id").GetString();

            var line = await LineAsync(id!);
            Assert.DoesNotContain("secret", line, StringComparison.Ordinal);
            var state = JsonDocument.Parse(line).RootElement.GetProperty("State");
            Assert.Equal(("starter", "stop", 7), (state.GetProperty("Model").GetString(), state.GetProperty("End").GetString(), state.GetProperty("InputTokens").GetInt32()));
        }
        finally
        {
            gateway.Kill();
            await gateway.WaitForExitAsync(CancellationToken.None);
        }

        async Task<string> LineAsync(string text)
        {
            while (await gateway.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken) is { } line)
            {
                if (line.Contains(text, StringComparison.Ordinal))
                {
                    return line;
                }
            }

            throw new InvalidOperationException($"The gateway ended without writing '{text}'.");
        }
    }
}
