using System.Diagnostics.Metrics;
using Gateway.Api.Wire;

namespace Gateway.Telemetry;

/// <summary>
/// The front door's own metrics: the only table of their names and labels. Labels come from bounded sets: routes, deployments,
/// arms, guards and codes, never users, keys or text. <c>/metrics</c> shows them with underscores, OTLP as they are.
/// </summary>
internal static class Instruments
{
    /// <summary>The meter.</summary>
    public const string MeterName = "Gateway";

    private static readonly double[] Seconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];
    private static readonly Meter Meter = new(MeterName);
    private static readonly string[] StatusClasses = ["0xx", "1xx", "2xx", "3xx", "4xx", "5xx"];

    private static readonly Counter<long> Requests = Meter.CreateCounter<long>("gateway.requests", "{request}", "HTTP requests by route and class of status.");
    private static readonly Histogram<double> RequestDuration = Timing("gateway.request.duration", "From a request's arrival to the end of its reply, by route.");
    private static readonly UpDownCounter<long> InFlight = Meter.CreateUpDownCounter<long>("gateway.requests.in_flight", "{request}", "HTTP requests under way.");
    private static readonly Counter<long> Errors = Meter.CreateCounter<long>("gateway.errors", "{error}", "Failures by whose fault they are and by code.");

    private static readonly Counter<long> Replies = Meter.CreateCounter<long>("gateway.replies", "{reply}", "Requests that were routed to a release, by deployment, arm and end.");
    private static readonly Histogram<double> ReplyDuration = Timing("gateway.reply.duration", "From arrival to the end of a reply, by deployment.");
    private static readonly Histogram<double> FirstToken = Timing("gateway.reply.first_token", "From arrival to the first text of a streamed reply, by deployment.");
    private static readonly Histogram<double> PerToken = Timing("gateway.reply.per_token", "Mean time per token of a streamed reply after its first, by deployment.");
    private static readonly Histogram<double> BeforeWorker = Timing("gateway.reply.before_worker", "From arrival until a worker is asked, by deployment.");
    private static readonly Counter<long> Tokens = Meter.CreateCounter<long>("gateway.tokens", "{token}", "Tokens by deployment and direction.");
    private static readonly Counter<long> Flags = Meter.CreateCounter<long>("gateway.flags", "{flag}", "Automatic marks on replies by kind.");
    private static readonly Counter<long> Feedback = Meter.CreateCounter<long>("gateway.feedback", "{item}", "Feedback by kind.");

    private static readonly Counter<long> LimitDecisions = Meter.CreateCounter<long>("gateway.limit.decisions", "{decision}", "What limits of keys decided.");
    private static readonly Counter<long> KeyRefusals = Meter.CreateCounter<long>("gateway.key.refusals", "{request}", "Requests whose key is unknown or lacks the scope.");
    private static readonly Counter<long> GuardVerdicts = Meter.CreateCounter<long>("gateway.guard.verdicts", "{verdict}", "What guards found, by guard, stage and action.");

    /// <summary>A request has arrived.</summary>
    public static void Arrived() => InFlight.Add(1);

    /// <summary>A request has ended.</summary>
    public static void Ended(string route, int status, double seconds)
    {
        InFlight.Add(-1);
        Requests.Add(1, new("route", route), new("status", StatusClasses[status is >= 0 and < 600 ? status / 100 : 0]));
        RequestDuration.Record(seconds, new KeyValuePair<string, object?>("route", route));
    }

    /// <summary>A request has failed.</summary>
    public static void Error(ApiError error) => Errors.Add(1, new("fault", Fault.Of(error)), new("code", error.Code));

    /// <summary>A request has failed where no error could be sent.</summary>
    public static void Error(string fault) => Errors.Add(1, new("fault", fault), new("code", "none"));

    /// <summary>A reply has ended.</summary>
    public static void Replied(string model, string arm, string end, double seconds)
    {
        Replies.Add(1, new("model", model), new("arm", arm), new("end", end));
        ReplyDuration.Record(seconds, new KeyValuePair<string, object?>("model", model));
    }

    /// <summary>The first text of a streamed reply has come.</summary>
    public static void FirstTokenAfter(string model, double seconds) => FirstToken.Record(seconds, new KeyValuePair<string, object?>("model", model));

    /// <summary>The tokens of a streamed reply came in this time each.</summary>
    public static void TokensEvery(string model, double seconds) => PerToken.Record(seconds, new KeyValuePair<string, object?>("model", model));

    /// <summary>A worker was asked after this time.</summary>
    public static void AskedAfter(string model, double seconds) => BeforeWorker.Record(seconds, new KeyValuePair<string, object?>("model", model));

    /// <summary>A worker has counted the tokens of a request.</summary>
    public static void Counted(string model, int input, int output)
    {
        Tokens.Add(input, new("model", model), new("direction", "input"));
        Tokens.Add(output, new("model", model), new("direction", "output"));
    }

    /// <summary>A reply was marked.</summary>
    public static void Flagged(string kind) => Flags.Add(1, new KeyValuePair<string, object?>("kind", kind));

    /// <summary>Feedback was recorded.</summary>
    public static void Rated(string kind) => Feedback.Add(1, new KeyValuePair<string, object?>("kind", kind));

    /// <summary>A limit has decided.</summary>
    public static void LimitDecision(string decision) => LimitDecisions.Add(1, new KeyValuePair<string, object?>("decision", decision));

    /// <summary>A key was refused.</summary>
    public static void KeyRefused(string reason) => KeyRefusals.Add(1, new KeyValuePair<string, object?>("reason", reason));

    /// <summary>A guard has found something.</summary>
    public static void GuardVerdict(string guard, string stage, string action) =>
        GuardVerdicts.Add(1, new("guard", guard), new("stage", stage), new("action", action));

    private static Histogram<double> Timing(string name, string description) =>
        Meter.CreateHistogram(name, "s", description, tags: null, new InstrumentAdvice<double> { HistogramBucketBoundaries = Seconds });
}
