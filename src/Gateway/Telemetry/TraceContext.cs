using System.Diagnostics;

namespace Gateway.Telemetry;

/// <summary>Hands the W3C trace context on to workers: that of our span, or the caller's own where nobody traces here.</summary>
internal static class TraceContext
{
    private const string Parent = "traceparent";
    private const string State = "tracestate";
    private const int MaximumParentLength = 55;
    private const int MaximumStateLength = 512;

    /// <summary>Sets the headers of a request to a worker.</summary>
    public static void Propagate(HttpRequest from, HttpRequestMessage to)
    {
        if (Activity.Current is { IdFormat: ActivityIdFormat.W3C, Id: { } id } span)
        {
            to.Headers.TryAddWithoutValidation(Parent, id);
            if (span.TraceStateString is { Length: > 0 } state)
            {
                to.Headers.TryAddWithoutValidation(State, state);
            }
        }
        else if (from.Headers.TryGetValue(Parent, out var given) && given is [{ Length: <= MaximumParentLength } parent])
        {
            to.Headers.TryAddWithoutValidation(Parent, parent);
            if (from.Headers.TryGetValue(State, out var states) && states is [{ Length: <= MaximumStateLength } state])
            {
                to.Headers.TryAddWithoutValidation(State, state);
            }
        }
    }
}
