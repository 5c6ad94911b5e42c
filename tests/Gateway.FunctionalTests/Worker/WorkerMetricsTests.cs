using System.Globalization;
using Gateway.FunctionalTests.Telemetry;
using Xunit;

namespace Gateway.FunctionalTests.Worker;

/// <summary>A worker's metrics under vLLM's names.</summary>
public sealed class WorkerMetricsTests
{
    [Fact]
    public async Task Histograms_hold_one_value_per_request_and_intervals_between_its_tokens()
    {
        await using var server = new WorkerServer();
        await server.InitializeAsync();
        await server.ChatAsync("\"temperature\":0,\"ignore_eos\":true,\"max_tokens\":6");
        await server.StreamAsync("\"temperature\":0,\"ignore_eos\":true,\"max_tokens\":4");

        var text = await server.Client.GetStringAsync("/metrics", TestContext.Current.CancellationToken);
        TelemetryTests.AssertWellFormed(text);
        foreach (var histogram in new[]
        {
            "time_to_first_token_seconds", "e2e_request_latency_seconds", "request_queue_time_seconds", "request_prefill_time_seconds",
            "request_decode_time_seconds", "request_inference_time_seconds", "request_time_per_output_token_seconds", "request_prompt_tokens",
            "request_generation_tokens", "request_params_max_tokens", "request_num_preemptions",
        })
        {
            Assert.Equal(2, Value(text, $"vllm:{histogram}_count{{model_name=\"tiny\"}}"));
        }

        Assert.Equal(10, Value(text, "vllm:request_generation_tokens_sum{model_name=\"tiny\"}"));
        Assert.Equal(10, Value(text, "vllm:request_params_max_tokens_sum{model_name=\"tiny\"}"));
        Assert.Equal(2, Value(text, "vllm:request_success_total{model_name=\"tiny\",finished_reason=\"length\"}"));
        Assert.InRange(Value(text, "vllm:inter_token_latency_seconds_count{model_name=\"tiny\"}"), 1, 8);
        Assert.True(Value(text, "vllm:e2e_request_latency_seconds_sum{model_name=\"tiny\"}") >= Value(text, "vllm:time_to_first_token_seconds_sum{model_name=\"tiny\"}"));
        Assert.True(Value(text, "vllm:iteration_tokens_total_sum{model_name=\"tiny\"}") > 10);
    }

    [Fact]
    public async Task An_end_by_a_stop_string_is_no_abort()
    {
        await using var server = new WorkerServer();
        await server.InitializeAsync();
        var reply = (await server.ChatAsync("\"temperature\":0,\"max_tokens\":40,\"ignore_eos\":true")).GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!;
        var stop = System.Text.Json.JsonSerializer.Serialize(reply.Substring(3, 2));
        await server.ChatAsync($"\"temperature\":0,\"max_tokens\":4000,\"ignore_eos\":true,\"stop\":[{stop}]");
        string text;
        do
        {
            text = await server.Client.GetStringAsync("/metrics", TestContext.Current.CancellationToken);
        }
        while (Value(text, "vllm:num_requests_running{model_name=\"tiny\"}") > 0);
        Assert.Equal(1, Value(text, "vllm:request_success_total{model_name=\"tiny\",finished_reason=\"stop\"}"));
        Assert.Equal(0, Value(text, "vllm:request_success_total{model_name=\"tiny\",finished_reason=\"abort\"}"));
    }

    private static double Value(string text, string series) =>
        double.Parse(text.Split('\n').Single(line => line.StartsWith(series + " ", StringComparison.Ordinal))[(series.Length + 1)..], CultureInfo.InvariantCulture);
}
