using Gateway.Engine;
using Gateway.Engine.Measurement;
using Gateway.Telemetry;

namespace Gateway.Worker;

/// <summary>What the engine is doing, under vLLM's names where vLLM has one, so that its dashboards fit.</summary>
internal static class WorkerMetrics
{
    /// <summary><c>GET /metrics</c>.</summary>
    public static IResult Describe(WorkerRuntime runtime)
    {
        var text = new PrometheusText();
        var model = ("model_name", (string?)runtime.Options.ModelName);
        WriteState(text, runtime.Engine.Statistics, model);
        WriteRequests(text, runtime.Engine.Measurements, model);
        WriteAdapters(text, runtime, model);
        return text.ToResult();
    }

    private static void WriteState(PrometheusText text, EngineStatistics statistics, (string, string?) model)
    {
        var used = statistics.TotalBlocks - statistics.FreeBlocks;
        text.Single("vllm:num_requests_running", "gauge", "Sequences that hold cache blocks.", statistics.Running, model);
        text.Single("vllm:num_requests_waiting", "gauge", "Sequences that wait for room.", statistics.Waiting, model);
        text.Single("vllm:kv_cache_usage_perc", "gauge", "Share of cache blocks in use, 1 is all.", (double)used / statistics.TotalBlocks, model);
        text.Single("vllm:prompt_tokens_total", "counter", "Prompt tokens of the requests admitted.", statistics.PromptTokens, model);
        text.Single("vllm:prefix_cache_queries_total", "counter", "Prompt tokens looked up in the prefix cache.", statistics.PromptTokens, model);
        text.Single("vllm:prefix_cache_hits_total", "counter", "Prompt tokens found in the prefix cache.", statistics.CachedPromptTokens, model);
        text.Single("vllm:generation_tokens_total", "counter", "Tokens of replies.", statistics.SampledTokens, model);
        text.Single("vllm:num_preemptions_total", "counter", "Sequences that gave up their blocks and were computed again.", statistics.Preemptions, model);
        text.Single("vllm:spec_decode_num_draft_tokens_total", "counter", "Tokens proposed for verification.", statistics.ProposedTokens, model);
        text.Single("vllm:spec_decode_num_accepted_tokens_total", "counter", "Proposed tokens that were right.", statistics.AcceptedTokens, model);
        text.Single("gateway:engine_steps_total", "counter", "Passes through the network.", statistics.Steps, model);
    }

    private static void WriteRequests(PrometheusText text, EngineMeasurements measured, (string, string?) model)
    {
        text.Family("vllm:request_success_total", "counter", "Requests that ended, by reason.");
        foreach (var (reason, name) in new[] { (FinishReason.Stop, "stop"), (FinishReason.Length, "length"), (FinishReason.Cancelled, "abort"), (FinishReason.Failed, "error") })
        {
            text.Value("vllm:request_success_total", measured.Ended(reason), model, ("finished_reason", name));
        }

        Write("time_to_first_token_seconds", "Submission to first token.", measured.TimeToFirstToken);
        Write("inter_token_latency_seconds", "Between successive steps of a reply that brought tokens.", measured.InterTokenLatency);
        Write("request_time_per_output_token_seconds", "Mean time per token of a reply after its first.", measured.TimePerOutputToken);
        Write("e2e_request_latency_seconds", "Submission to end.", measured.EndToEnd);
        Write("request_queue_time_seconds", "Submission to admission.", measured.Queue);
        Write("request_prefill_time_seconds", "Admission to first token.", measured.Prefill);
        Write("request_decode_time_seconds", "First to last token.", measured.Decode);
        Write("request_inference_time_seconds", "Admission to last token.", measured.Inference);
        Write("request_prompt_tokens", "Prompt tokens of a request.", measured.PromptTokens);
        Write("request_generation_tokens", "Tokens of a reply.", measured.GenerationTokens);
        Write("request_params_max_tokens", "Token limit of a reply.", measured.MaximumTokens);
        Write("request_max_num_generation_tokens", "Tokens of the longest reply of a request.", measured.GenerationTokens);
        Write("request_num_preemptions", "How often a request gave way.", measured.Preemptions);
        Write("iteration_tokens_total", "Tokens that a step computed.", measured.TokensPerStep);

        void Write(string name, string help, Distribution values)
        {
            text.Family("vllm:" + name, "histogram", help);
            text.Buckets("vllm:" + name, values, model);
        }
    }

    private static void WriteAdapters(PrometheusText text, WorkerRuntime runtime, (string, string?) model)
    {
        var listing = runtime.Adapters.List();
        var running = listing.Generations.Where(generation => generation.ActiveLeases > 0).SelectMany(generation => generation.Names).Order(StringComparer.Ordinal);
        text.Single(
            "vllm:lora_requests_info", "gauge", "Adapters with requests under way, at the time in the value.",
            runtime.Clock.GetUtcNow().ToUnixTimeMilliseconds() / 1000.0,
            ("max_lora", $"{runtime.Options.MaximumAdapters}"), ("running_lora_adapters", string.Join(',', running)), ("waiting_lora_adapters", ""));
        text.Single("vllm:num_cpu_loaded_lora_adapters", "gauge", "Adapter generations in memory.", listing.Generations.Count, model);
        text.Single("vllm:max_cpu_lora_adapters", "gauge", "Adapter generations that may be in memory.", runtime.Options.MaximumAdapters, model);
        text.Family("gateway:lora_adapter_loaded", "gauge", "1 for each name of a generation in memory.");
        foreach (var adapter in listing.Names.Where(adapter => adapter.Resident))
        {
            text.Value(
                "gateway:lora_adapter_loaded", 1, ("adapter_name", adapter.Name), ("adapter_generation", adapter.Generation[..12]), ("level", "cpu"),
                ("pinned", adapter.Pinned ? "true" : "false"), ("rank", $"{adapter.Rank}"));
        }

        text.Single("gateway:lora_held_bytes", "gauge", "Memory of the adapters.", listing.HeldBytes, model);
    }
}
