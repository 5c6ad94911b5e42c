using Gateway.Api.Wire;

namespace Gateway.Telemetry;

/// <summary>The outermost step of the front door: counts every request, how long it took, and whose fault a failure was.</summary>
internal sealed class RequestMeter(RequestDelegate next, TimeProvider clock)
{
    /// <summary>Runs the request.</summary>
    public async Task InvokeAsync(HttpContext context)
    {
        var started = clock.GetTimestamp();
        Instruments.Arrived();
        try
        {
            await next(context);
        }
        finally
        {
            var isGone = context.RequestAborted.IsCancellationRequested;
            if (context.Features.Get<ApiError>() is { } error)
            {
                Instruments.Error(error);
            }
            else if (isGone)
            {
                Instruments.Error(Fault.Cancelled);
            }

            // Paths that no route knows share one label: callers choose them.
            var route = (context.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText ?? "unknown";
            var status = isGone ? StatusCodes.Status499ClientClosedRequest : context.Response.StatusCode;
            Instruments.Ended(route, status, clock.GetElapsedTime(started).TotalSeconds);
        }
    }
}
