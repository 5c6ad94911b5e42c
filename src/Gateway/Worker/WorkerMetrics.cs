using System.Globalization;
using System.Text;

namespace Gateway.Worker;

/// <summary>What the engine is doing, in the Prometheus text format and under vLLM's names where vLLM has one, so that its dashboards fit.</summary>
internal static class WorkerMetrics
{
    /// <summary><c>GET /metrics</c>.</summary>
    public static IResult Describe(WorkerRuntime runtime)
    {
        var statistics = runtime.Engine.Statistics;
        var used = statistics.TotalBlocks - statistics.FreeBlocks;
        var text = new StringBuilder();
        Write("vllm:num_requests_running", "gauge", "Sequences that hold cache blocks.", statistics.Running);
        Write("vllm:num_requests_waiting", "gauge", "Sequences that wait for room.", statistics.Waiting);
        Write("vllm:kv_cache_usage_perc", "gauge", "Share of cache blocks in use, 1 is all.", (double)used / statistics.TotalBlocks);
        Write("vllm:prompt_tokens_total", "counter", "Prompt tokens of the requests admitted.", statistics.PromptTokens);
        Write("vllm:prefix_cache_queries_total", "counter", "Prompt tokens looked up in the prefix cache.", statistics.PromptTokens);
        Write("vllm:prefix_cache_hits_total", "counter", "Prompt tokens found in the prefix cache.", statistics.CachedPromptTokens);
        Write("vllm:generation_tokens_total", "counter", "Tokens of replies.", statistics.SampledTokens);
        Write("vllm:num_preemptions_total", "counter", "Sequences that gave up their blocks and were computed again.", statistics.Preemptions);
        Write("vllm:spec_decode_num_draft_tokens_total", "counter", "Tokens proposed for verification.", statistics.ProposedTokens);
        Write("vllm:spec_decode_num_accepted_tokens_total", "counter", "Proposed tokens that were right.", statistics.AcceptedTokens);
        Write("gateway:engine_steps_total", "counter", "Passes through the network.", statistics.Steps);
        return Results.Text(text.ToString(), "text/plain; version=0.0.4", Encoding.UTF8);

        void Write(string name, string type, string help, double value) => text.Append(
            CultureInfo.InvariantCulture, $"# HELP {name} {help}\n# TYPE {name} {type}\n{name}{{model_name=\"{runtime.Options.ModelName}\"}} {value}\n");
    }
}
