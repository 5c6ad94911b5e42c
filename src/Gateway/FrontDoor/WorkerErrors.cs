using System.Text.Json;
using Gateway.Api.Wire;

namespace Gateway.FrontDoor;

/// <summary>Turns a worker's error reply into one of ours: vLLM's codes are integers, and a worker's 5xx is not the client's business.</summary>
internal static class WorkerErrors
{
    /// <summary>The message of an error reply as the worker wrote it, or null when it has none.</summary>
    public static string? MessageOf(ReadOnlySpan<byte> body) => Members(body).Message;

    /// <summary>The client's error for a worker's reply with a status outside 2xx.</summary>
    public static ApiError Read(int status, ReadOnlySpan<byte> body, TimeSpan? retryAfter)
    {
        var (message, type, param, code) = Members(body);
        if (status == StatusCodes.Status400BadRequest && message?.Contains("trust-request-chat-template", StringComparison.Ordinal) == true)
        {
            // vLLM's word for its own settings, which no client can change.
            return ApiError.UpstreamError("The worker refuses the contract's chat template: start vLLM with --trust-request-chat-template.");
        }

        var seconds = retryAfter is { } delay ? (int)Math.Ceiling(delay.TotalSeconds) : 1;
        return status switch
        {
            StatusCodes.Status429TooManyRequests or StatusCodes.Status503ServiceUnavailable when code == "adapter_loading" =>
                new(status, "server_error", "adapter_loading", message ?? "The adapter is still loading. Try again.") { RetryAfterSeconds = seconds },
            StatusCodes.Status429TooManyRequests or StatusCodes.Status503ServiceUnavailable => ApiError.Overloaded(seconds),
            StatusCodes.Status504GatewayTimeout => ApiError.UpstreamTimeout(),
            >= 500 => ApiError.UpstreamError("The worker failed to answer. Try again; if it repeats, report the x-request-id."),
            >= 400 => new(status, type ?? "invalid_request_error", code ?? "invalid_value", message ?? "The worker refused the request. Check the request.", param),
            _ => ApiError.UpstreamError("The worker answered with an unexpected status. Check that the worker address is right."),
        };
    }

    /// <summary>The client's error for an error event in the middle of a stream.</summary>
    public static ApiError FromEvent(JsonElement error)
    {
        var code = Text(error, "code");
        var message = Text(error, "message");
        return new(StatusCodes.Status502BadGateway, "server_error", code ?? "upstream_error", message ?? "The worker broke off the reply. Try again.");
    }

    private static (string? Message, string? Type, string? Param, string? Code) Members(ReadOnlySpan<byte> body)
    {
        try
        {
            var reader = new Utf8JsonReader(body);
            using var document = JsonDocument.ParseValue(ref reader);
            // vLLM before 0.9 puts the members at the root.
            var error = document.RootElement.TryGetProperty("error", out var nested) ? nested : document.RootElement;
            return (Text(error, "message"), Text(error, "type"), Text(error, "param"), Text(error, "code"));
        }
        catch (Exception failure) when (failure is JsonException or InvalidOperationException)
        {
            return default;
        }
    }

    private static string? Text(JsonElement error, string name) =>
        error.ValueKind == JsonValueKind.Object && error.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : null;
}
