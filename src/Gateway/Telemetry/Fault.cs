using Gateway.Api.Wire;

namespace Gateway.Telemetry;

/// <summary>Whose fault an error is: a closed set, for counters and logs.</summary>
internal static class Fault
{
    /// <summary>The worker broke off a reply that had begun.</summary>
    public const string StreamBroken = "upstream_stream_broken";

    /// <summary>The client left.</summary>
    public const string Cancelled = "caller_cancelled";

    /// <summary>The class of an error.</summary>
    public static string Of(ApiError error) => error switch
    {
        { Status: 401 or 403 } => "caller_auth",
        { Status: 404 } => "caller_not_found",
        { Status: 413 } => "caller_too_large",
        { Status: 429, Code: "insufficient_quota" } => "policy_budget",
        { Status: 429, Code: "rate_limit_exceeded" } => "policy_rate_limited",
        { Code: "contract_mismatch" } => "policy_contract_mismatch",
        { Code: "content_filter" } => "policy_guardrail",
        { Status: >= 400 and < 500 } => "caller_bad_request",
        { Status: 504 } => "upstream_timeout",
        { Status: 502 } => "upstream_5xx",
        { Code: "server_is_overloaded" } => "upstream_overloaded",
        { Code: "no_healthy_worker" or "adapter_loading" or "adapter_lost" } => "upstream_connect",
        { Code: "store_unavailable" or "limits_unavailable" } => "internal_store",
        _ => "internal_bug",
    };
}
