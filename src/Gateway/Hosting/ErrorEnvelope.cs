using System.Diagnostics;
using System.Globalization;
using Gateway.Api.Wire;
using Gateway.Storage;

namespace Gateway.Hosting;

/// <summary>
/// The outermost step of the front door: gives every request its id and every failure OpenAI's form, also unknown routes,
/// refused methods and defects.
/// </summary>
public sealed partial class ErrorEnvelope(RequestDelegate next, RequestLimits limits, ILogger<ErrorEnvelope> logger)
{
    private const string RequestIdHeader = "x-request-id";
    private const int MaximumRequestIdLength = 128;

    // Random once for the process: a request's id must be unique, not secret.
    private static readonly string ProcessId = $"{Guid.NewGuid():N}";
    private static long _requests;

    /// <summary>Runs the request.</summary>
    public async Task InvokeAsync(HttpContext context)
    {
        var given = context.Request.Headers[RequestIdHeader].ToString();
        context.TraceIdentifier = given.Length is > 0 and <= MaximumRequestIdLength && given.All(c => c is > ' ' and <= '~')
            ? given
            : $"req_{ProcessId}{Interlocked.Increment(ref _requests):x8}";
        context.Response.Headers[RequestIdHeader] = context.TraceIdentifier;
        context.Response.OnStarting(static state => WriteDuration(((HttpContext, long))state), (context, Stopwatch.GetTimestamp()));

        ApiError? error;
        try
        {
            await next(context);
            error = context.Response.HasStarted || context.Response.ContentType is not null ? null : ErrorOf(context);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            return;
        }
        catch (BadHttpRequestException failure)
        {
            error = failure.StatusCode switch
            {
                StatusCodes.Status408RequestTimeout => ApiError.RequestTimeout(),
                StatusCodes.Status413PayloadTooLarge => ApiError.RequestTooLarge(limits.MaximumBodyBytes),
                _ => ApiError.InvalidValue("query", "a value in the query or the path has a wrong type."),
            };
        }
        catch (StoreUnavailableException failure)
        {
            LogStoreFailed(context.Request.Method, context.Request.Path, failure.Message);
            error = ApiError.StoreUnavailable();
        }
        catch (Exception failure) when (!context.Response.HasStarted)
        {
            LogFailed(failure, context.Request.Method, context.Request.Path);
            error = ApiError.InternalError();
        }

        if (error is not null && !context.Response.HasStarted)
        {
            await new ApiErrorResult(error).ExecuteAsync(context);
        }
    }

    private static Task WriteDuration((HttpContext Context, long Started) request)
    {
        var milliseconds = (long)Stopwatch.GetElapsedTime(request.Started).TotalMilliseconds;
        request.Context.Response.Headers["openai-processing-ms"] = milliseconds.ToString(CultureInfo.InvariantCulture);
        return Task.CompletedTask;
    }

    private ApiError? ErrorOf(HttpContext context) => context.Response.StatusCode switch
    {
        StatusCodes.Status404NotFound => ApiError.UnknownUrl(context.Request.Method, context.Request.Path),
        StatusCodes.Status405MethodNotAllowed => ApiError.MethodNotAllowed(context.Request.Method, context.Request.Path),
        StatusCodes.Status413PayloadTooLarge => ApiError.RequestTooLarge(limits.MaximumBodyBytes),
        StatusCodes.Status415UnsupportedMediaType => ApiError.UnsupportedMediaType(),
        StatusCodes.Status400BadRequest => ApiError.InvalidValue("query", "a value in the query or the path has a wrong type."),
        _ => null,
    };

    [LoggerMessage(LogLevel.Error, "{Method} {Path} failed.")]
    private partial void LogFailed(Exception failure, string method, string path);

    [LoggerMessage(LogLevel.Error, "{Method} {Path} was refused: {Failure}")]
    private partial void LogStoreFailed(string method, string path, string failure);
}
