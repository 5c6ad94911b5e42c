using System.Collections.Frozen;
using Gateway.Domain.Keys;

namespace Gateway.Security;

/// <summary>
/// Which scope each call needs once the gateway has keys: the only such table. A call that is missing here is an operator's, so
/// a forgotten row locks a door instead of leaving it open.
/// </summary>
internal sealed record RouteAccess(KeyScope Scopes, bool IsOpen, bool ForWorkers = false)
{
    private const KeyScope AnyKey = KeyScope.Inference | KeyScope.Feedback | KeyScope.Metrics | KeyScope.Operator;

    private static readonly RouteAccess Operator = new(KeyScope.Operator, IsOpen: false);

    private static readonly FrozenDictionary<string, RouteAccess> Table = new Dictionary<string, RouteAccess>(StringComparer.Ordinal)
    {
        // Probes of orchestrators carry no key and learn nothing but the state.
        ["GET /health"] = new(KeyScope.None, IsOpen: true),
        ["GET /health/live"] = new(KeyScope.None, IsOpen: true),
        ["GET /health/ready"] = new(KeyScope.None, IsOpen: true),
        ["GET /health/workers"] = Any(KeyScope.Metrics),
        ["GET /metrics"] = Any(KeyScope.Metrics),

        // Replies.
        ["POST /v1/chat/completions"] = Any(KeyScope.Inference),
        ["POST /v1/completions"] = Any(KeyScope.Inference),
        ["POST /v1/embeddings"] = Any(KeyScope.Inference),
        ["GET /v1/models"] = Any(AnyKey),
        ["GET /v1/models/{**id}"] = Any(AnyKey),

        // OpenAI's other dialect, with what is kept of its owner, and its parts that only say that they are not served.
        ["POST /v1/responses"] = Any(KeyScope.Inference),
        ["POST /v1/responses/input_tokens"] = Any(KeyScope.Inference),
        ["GET /v1/responses/{id}"] = Any(KeyScope.Inference),
        ["DELETE /v1/responses/{id}"] = Any(KeyScope.Inference),
        ["GET /v1/responses/{id}/input_items"] = Any(KeyScope.Inference),
        ["POST /v1/responses/{id}/cancel"] = Any(KeyScope.Inference),
        ["GET /v1/responses"] = Any(KeyScope.Inference),
        ["POST /v1/responses/compact"] = Any(KeyScope.Inference),
        ["POST /v1/conversations"] = Any(KeyScope.Inference),
        ["GET /v1/conversations/{**rest}"] = Any(KeyScope.Inference),
        ["POST /v1/conversations/{**rest}"] = Any(KeyScope.Inference),
        ["DELETE /v1/conversations/{**rest}"] = Any(KeyScope.Inference),

        // Records: of the key's own owner only.
        ["GET /v1/chat/completions"] = Any(KeyScope.Inference),
        ["GET /v1/chat/completions/{id}"] = Any(KeyScope.Inference),
        ["POST /v1/chat/completions/{id}"] = Any(KeyScope.Inference),
        ["DELETE /v1/chat/completions/{id}"] = Any(KeyScope.Inference),
        ["GET /v1/chat/completions/{id}/messages"] = Any(KeyScope.Inference),
        ["GET /v1/interactions/{id}"] = Any(KeyScope.Inference | KeyScope.Feedback),
        ["POST /v1/feedback"] = Any(KeyScope.Feedback),
        ["GET /v1/feedback"] = Any(KeyScope.Feedback),
        ["DELETE /v1/feedback/{id}"] = Any(KeyScope.Feedback),

        // Workers fetch what they are told to load.
        ["GET /v1/adapters/{generation}/files"] = Operator with { ForWorkers = true },
        ["GET /v1/adapters/{generation}/files/{file}"] = Operator with { ForWorkers = true },

        // Everything below sees or changes what belongs to all.
        ["GET /v1/interactions"] = Operator,
        ["GET /v1/interactions/export"] = Operator,
        ["DELETE /v1/users/{user}/interactions"] = Operator,
        ["GET /v1/keys"] = Operator,
        ["POST /v1/keys"] = Operator,
        ["GET /v1/keys/{id}"] = Operator,
        ["POST /v1/keys/{id}/revoke"] = Operator,
        ["POST /v1/keys/{id}/rotate"] = Operator,
        ["POST /v1/contracts"] = Operator,
        ["GET /v1/contracts"] = Operator,
        ["GET /v1/contracts/{name}"] = Operator,
        ["GET /v1/contracts/{name}/versions"] = Operator,
        ["GET /v1/contracts/{name}/versions/{version:int}"] = Operator,
        ["GET /v1/contracts/{name}/labels"] = Operator,
        ["GET /v1/contracts/{name}/labels/{label}"] = Operator,
        ["PUT /v1/contracts/{name}/labels/{label}"] = Operator,
        ["DELETE /v1/contracts/{name}/labels/{label}"] = Operator,
        ["GET /v1/contracts/{name}/diff"] = Operator,
        ["POST /v1/contracts/{name}/render"] = Operator,
        ["GET /v1/adapters"] = Operator,
        ["GET /v1/adapters/{generation}"] = Operator,
        ["DELETE /v1/adapters/{generation}"] = Operator,
        ["POST /v1/adapters"] = Operator,
        ["POST /v1/adapters/import"] = Operator,
        ["GET /v1/workers"] = Operator,
        ["POST /v1/workers"] = Operator,
        ["GET /v1/workers/{name}"] = Operator,
        ["DELETE /v1/workers/{name}"] = Operator,
        ["POST /v1/workers/{name}/drain"] = Operator,
        ["POST /v1/workers/{name}/resume"] = Operator,
        ["GET /v1/lora_adapters"] = Operator,
        ["POST /v1/load_lora_adapter"] = Operator,
        ["POST /v1/unload_lora_adapter"] = Operator,
        ["POST /v1/releases"] = Operator,
        ["GET /v1/releases"] = Operator,
        ["DELETE /v1/models/{**id}"] = Operator,
        ["GET /v1/releases/{id}"] = Operator,
        ["GET /v1/deployments"] = Operator,
        ["POST /v1/deployments"] = Operator,
        ["GET /v1/deployments/{name}"] = Operator,
        ["PUT /v1/deployments/{name}"] = Operator,
        ["POST /v1/deployments/{name}/rollback"] = Operator,
        ["GET /v1/rollouts"] = Operator,
        ["POST /v1/rollouts"] = Operator,
        ["GET /v1/rollouts/{id}"] = Operator,
        ["POST /v1/rollouts/{id}/abort"] = Operator,
        ["GET /v1/jobs"] = Operator,
        ["POST /v1/jobs"] = Operator,
        ["GET /v1/jobs/review"] = Operator,
        ["GET /v1/jobs/{id}"] = Operator,
        ["GET /v1/audit"] = Operator,
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>The calls of the table, as <c>METHOD pattern</c>.</summary>
    public static IEnumerable<string> Calls => Table.Keys;

    /// <summary>The row of a call, or that of operators.</summary>
    public static RouteAccess Of(string method, string? pattern) => Table.GetValueOrDefault($"{method} {pattern}") ?? Operator;

    /// <summary>Gives every endpoint of a group its row as metadata, so that a request needs no look-up.</summary>
    public static void ApplyTo(IEndpointConventionBuilder group) => group.Finally(endpoint =>
    {
        var methods = endpoint.Metadata.OfType<HttpMethodMetadata>().LastOrDefault()?.HttpMethods ?? [];
        var pattern = (endpoint as RouteEndpointBuilder)?.RoutePattern.RawText;
        endpoint.Metadata.Add(methods.Count == 1 ? Of(methods[0], pattern) : Operator);
    });

    private static RouteAccess Any(KeyScope scopes) => new(scopes, IsOpen: false);
}
