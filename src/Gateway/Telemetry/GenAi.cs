using System.Diagnostics;
using System.Diagnostics.Metrics;
using Gateway.Domain.Interactions;
using Gateway.FrontDoor;

namespace Gateway.Telemetry;

/// <summary>
/// Traces and metrics by OpenTelemetry's conventions for generative AI, version 1.41: the only table of those names. Nothing
/// is made while nobody listens. Prompts and replies are never attributes.
/// </summary>
internal static class GenAi
{
    /// <summary>The source of spans and the meter.</summary>
    public const string Name = "Gateway.GenAi";

    private const string Operation = "gen_ai.operation.name";
    private const string Provider = "gen_ai.provider.name";
    private const string RequestModel = "gen_ai.request.model";
    private const string ResponseModel = "gen_ai.response.model";
    private const string ErrorType = "error.type";

    private static readonly double[] TokenCounts = [.. Enumerable.Range(0, 14).Select(k => Math.Pow(4, k))];
    private static readonly double[] Durations = [.. Enumerable.Range(0, 14).Select(k => 0.01 * Math.Pow(2, k))];
    private static readonly double[] FirstTokens = [.001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10];
    private static readonly double[] PerTokens = [.01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5];

    private static readonly ActivitySource Source = new(Name);
    private static readonly Meter Meter = new(Name);
    private static readonly Histogram<double> TokenUsage = Create("gen_ai.client.token.usage", "{token}", "Tokens of a request and its reply.", TokenCounts);
    private static readonly Histogram<double> OperationDuration = Create("gen_ai.client.operation.duration", "s", "Duration of a request.", Durations);
    private static readonly Histogram<double> RequestDuration = Create("gen_ai.server.request.duration", "s", "Duration of a request.", Durations);
    private static readonly Histogram<double> TimeToFirstToken = Create("gen_ai.server.time_to_first_token", "s", "Time to the first token of a reply.", FirstTokens);
    private static readonly Histogram<double> TimePerOutputToken = Create("gen_ai.server.time_per_output_token", "s", "Time per token after the first.", PerTokens);

    /// <summary>The span of a request, current until it is disposed; null while nobody listens.</summary>
    public static Activity? Start(Exchange exchange)
    {
        if (!Source.HasListeners())
        {
            return null;
        }

        var request = exchange.Request;
        var span = Source.StartActivity($"chat {request.Model}", ActivityKind.Client);
        if (span is { IsAllDataRequested: true })
        {
            span.SetTag(Operation, "chat");
            span.SetTag(Provider, "gateway");
            span.SetTag(RequestModel, request.Model);
            span.SetTag("gen_ai.request.stream", request.Stream);
            span.SetTag("gen_ai.request.seed", request.Seed);
            span.SetTag("gen_ai.request.max_tokens", request.MaxTokens);
            span.SetTag("gen_ai.request.temperature", request.Temperature);
            span.SetTag("gen_ai.request.top_p", request.TopP);
            span.SetTag("gen_ai.request.top_k", request.TopK);
            span.SetTag("gen_ai.request.stop_sequences", request.Stop.Count == 0 ? null : request.Stop.ToArray());
            span.SetTag("gen_ai.output.type", request.Format is null ? "text" : "json");
            span.SetTag("gen_ai.prompt.name", exchange.Assigned.Release.ContractName);
            span.SetTag("gateway.adapter_generation", exchange.Assigned.Release.Release.Generation);
            span.SetTag("gateway.arm", exchange.Assigned.Arm.ToString().ToLowerInvariant());
        }

        return span;
    }

    /// <summary>Notes how a request ended, on its span and in the metrics.</summary>
    public static void End(Activity? span, Interaction interaction, string? error)
    {
        var total = interaction.Timings.TotalMs / 1000;
        if (span is { IsAllDataRequested: true })
        {
            span.SetTag("gen_ai.response.id", interaction.Id);
            span.SetTag(ResponseModel, interaction.Deployment);
            span.SetTag("gen_ai.usage.input_tokens", interaction.Usage?.PromptTokens);
            span.SetTag("gen_ai.usage.output_tokens", interaction.Usage?.CompletionTokens);
            span.SetTag("gen_ai.response.finish_reasons", new[] { interaction.End.ToString().ToLowerInvariant() });
            span.SetTag("server.address", interaction.Worker);
            if (error is not null)
            {
                span.SetTag(ErrorType, error);
                span.SetStatus(ActivityStatusCode.Error);
            }
        }

        if (!OperationDuration.Enabled && !RequestDuration.Enabled)
        {
            return;
        }

        var tags = new TagList { { Operation, "chat" }, { Provider, "gateway" }, { RequestModel, interaction.Deployment }, { ResponseModel, interaction.Deployment } };
        if (interaction.Usage is { } usage)
        {
            TokenUsage.Record(usage.PromptTokens, With(tags, "gen_ai.token.type", "input"));
            TokenUsage.Record(usage.CompletionTokens, With(tags, "gen_ai.token.type", "output"));
        }

        if (interaction is { Streamed: true, Timings.FirstTokenMs: { } first })
        {
            TimeToFirstToken.Record(first / 1000, tags);
            if (interaction.Usage is { CompletionTokens: > 1 and var tokens })
            {
                TimePerOutputToken.Record((total - (first / 1000)) / (tokens - 1), tags);
            }
        }

        var withError = error is null ? tags : With(tags, ErrorType, error);
        OperationDuration.Record(total, withError);
        RequestDuration.Record(total, withError);
    }

    private static TagList With(TagList tags, string name, string value)
    {
        tags.Add(name, value);
        return tags;
    }

    private static Histogram<double> Create(string name, string unit, string description, double[] bounds) =>
        Meter.CreateHistogram(name, unit, description, tags: null, new InstrumentAdvice<double> { HistogramBucketBoundaries = bounds });
}
