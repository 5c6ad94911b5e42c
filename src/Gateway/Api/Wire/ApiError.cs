using System.Text.Json;
using Gateway.Domain.Contracts;
using Gateway.Domain.Keys;

namespace Gateway.Api.Wire;

/// <summary>
/// One failure a client can see, in OpenAI's form. The static factories are the only table of errors: each row fixes status,
/// type and code once, and every message says what to do next. Messages never contain file paths, stack traces or keys.
/// </summary>
/// <param name="Status">HTTP status.</param>
/// <param name="Type">The error's family, for example <c>invalid_request_error</c>.</param>
/// <param name="Code">Stable machine-readable code.</param>
/// <param name="Message">What went wrong and what to do next.</param>
/// <param name="Param">Dotted path of the offending field, for example <c>messages[2].content</c>, or null.</param>
public sealed record ApiError(int Status, string Type, string Code, string Message, string? Param = null)
{
    private const string InvalidRequest = "invalid_request_error";
    private const string Permission = "permission_error";
    private const string ConflictType = "conflict_error";
    private const string RateLimit = "rate_limit_error";
    private const string Server = "server_error";

    /// <summary>Seconds for the <c>Retry-After</c> header, or null for none.</summary>
    public int? RetryAfterSeconds { get; init; }

    /// <summary>Value of the <c>x-should-retry</c> header that SDKs obey, or null to leave the decision to the status.</summary>
    public bool? ShouldRetry { get; init; }

    /// <summary>400: the body is not JSON.</summary>
    public static ApiError InvalidJson(string detail) =>
        new(400, InvalidRequest, "invalid_json", $"The request body is not valid JSON: {detail} Send one JSON object encoded in UTF-8.");

    /// <summary>400: a field has a wrong type or a value out of range.</summary>
    public static ApiError InvalidValue(string param, string expected) =>
        new(400, InvalidRequest, "invalid_value", $"Invalid value for '{param}': {expected}", param);

    /// <summary>400: a required field is absent.</summary>
    public static ApiError MissingParameter(string param) =>
        new(400, InvalidRequest, "missing_required_parameter", $"Missing required parameter: '{param}'. Add it to the request body.", param);

    /// <summary>400: a known field that this server does not implement.</summary>
    public static ApiError UnsupportedParameter(string param, string? hint = null) =>
        new(400, InvalidRequest, "unsupported_parameter", $"'{param}' is not supported by this server. {hint ?? "Remove it from the request."}", param);

    /// <summary>400: message content that is not text.</summary>
    public static ApiError UnsupportedContent(string param, string kind) =>
        new(400, InvalidRequest, "unsupported_content", $"Content of type '{kind}' is not supported. Send text parts only.", param);

    /// <summary>400: an input item of a kind that is not served.</summary>
    public static ApiError UnsupportedItem(string param, string kind) =>
        new(400, InvalidRequest, "unsupported_item", $"Items of type '{kind}' are not supported. Send messages, function calls and their outputs.", param);

    /// <summary>400: a tool that is no function.</summary>
    public static ApiError UnsupportedTool(string param, string kind) =>
        new(400, InvalidRequest, "unsupported_tool", $"Tools of type '{kind}' are not supported. Use tools of type 'function'.", param);

    /// <summary>400: the items of a conversation do not fit together.</summary>
    public static ApiError InvalidInput(string problem) => new(400, InvalidRequest, "invalid_value", problem, "input");

    /// <summary>400: the response to continue cannot be continued by this caller; whether it exists is not said.</summary>
    public static ApiError PreviousResponseNotFound(string id) =>
        new(400, InvalidRequest, "previous_response_not_found", $"Previous response with id '{id}' not found. Send the whole conversation as 'input' instead.", "previous_response_id");

    /// <summary>400: a conversation has grown beyond its limit.</summary>
    public static ApiError ChainTooLong(string limit) =>
        new(400, InvalidRequest, "chain_too_long", $"A conversation may hold at most {limit}. Begin a new one with a shorter history as 'input'.", "previous_response_id");

    /// <summary>404: no such response for this caller.</summary>
    public static ApiError ResponseNotFound(string id) =>
        new(404, InvalidRequest, "not_found", $"Response with id '{id}' not found. Check the id; responses are kept for a time, and not at all with 'store': false.");

    /// <summary>404: no such stored item for this caller.</summary>
    public static ApiError ItemNotFound(string id) =>
        new(404, InvalidRequest, "not_found", $"Item with id '{id}' not found. Items are not persisted when `store` is set to false. Send the item itself.", "input");

    /// <summary>400: only background responses can be cancelled, and there are none.</summary>
    public static ApiError NotCancellable() =>
        new(400, InvalidRequest, "invalid_value", "Only background responses can be cancelled. Close the connection to stop a reply.");

    /// <summary>404: a part of OpenAI's API that is not served.</summary>
    public static ApiError UnsupportedEndpoint(string method, string path, string hint) =>
        new(404, InvalidRequest, "unsupported_endpoint", $"{method} {path} is not supported by this server. {hint}");

    /// <summary>400: a JSON Schema construct that cannot be honoured.</summary>
    public static ApiError UnsupportedSchema(string param, string pointer, string problem) =>
        new(400, InvalidRequest, "unsupported_schema", $"The schema cannot be enforced: '{(pointer.Length == 0 ? "#" : pointer)}' {problem}.", param);

    /// <summary>400: an unknown field while strict checking is on.</summary>
    public static ApiError UnknownParameter(string param) =>
        new(400, InvalidRequest, "unknown_parameter", $"Unrecognized request argument: '{param}'. Remove it from the request.", param);

    /// <summary>400: prompt and reply do not fit into the context.</summary>
    public static ApiError ContextLengthExceeded(int promptTokens, int replyTokens, int contextLength, string parameter = "messages") =>
        new(400, InvalidRequest, "context_length_exceeded",
            $"This model's maximum context length is {contextLength} tokens, but {(long)promptTokens + replyTokens} were requested ({promptTokens} in '{parameter}', {replyTokens} for the reply). Shorten '{parameter}' or ask for a shorter reply.",
            parameter);

    /// <summary>401: no key, or one that is unknown or expired.</summary>
    public static ApiError InvalidApiKey() =>
        new(401, InvalidRequest, "invalid_api_key", "The API key is missing or not valid. Send 'Authorization: Bearer <key>' with a key of this server.");

    /// <summary>403: the key may not use this model.</summary>
    public static ApiError ModelNotAllowed(string model) =>
        new(403, Permission, "model_not_allowed", $"This key may not use the model '{model}'. Ask the operator for access or use another model.", "model");

    /// <summary>403: the call needs an operator's key.</summary>
    public static ApiError AdminRequired() =>
        new(403, Permission, "admin_required", "This call changes the server and needs an operator's key.");

    /// <summary>403: the key lacks the scope of this call.</summary>
    public static ApiError ScopeMissing(KeyScope needed) => needed == KeyScope.Operator
        ? AdminRequired()
        : new(403, Permission, "insufficient_scope", $"This key may not make this call, which needs the scope {Names(needed)}. Use another key or ask the operator for one.");

    /// <summary>404: no model of this name.</summary>
    public static ApiError ModelNotFound(string model) =>
        new(404, InvalidRequest, "model_not_found", $"The model '{model}' does not exist. List the available ones with GET /v1/models.", "model");

    /// <summary>404: no such thing, for example <c>NotFound("interaction", id)</c>.</summary>
    public static ApiError NotFound(string kind, string id, string? param = null) =>
        new(404, InvalidRequest, "not_found", $"No {kind} '{id}' exists. Check the id.", param);

    /// <summary>404: no endpoint at this path.</summary>
    public static ApiError UnknownUrl(string method, string path) =>
        new(404, InvalidRequest, "unknown_url", $"Unknown request URL: {method} {path}. Check the path and the method.");

    /// <summary>405: the path exists, the method does not.</summary>
    public static ApiError MethodNotAllowed(string method, string path) =>
        new(405, InvalidRequest, "method_not_allowed", $"{path} does not answer {method}. Check the method.");

    /// <summary>408: the client sent its request too slowly.</summary>
    public static ApiError RequestTimeout() =>
        new(408, "timeout_error", "request_timeout", "The request body did not arrive in time. Send it again.");

    /// <summary>409: a compare-and-set lost against another change.</summary>
    public static ApiError GenerationMismatch(string message) =>
        new(409, ConflictType, "generation_mismatch", message) { ShouldRetry = false };

    /// <summary>409: the thing is in a state that forbids the call.</summary>
    public static ApiError Conflict(string code, string message, string? param = null) =>
        new(409, ConflictType, code, message, param) { ShouldRetry = false };

    /// <summary>413: the body is larger than the limit.</summary>
    public static ApiError RequestTooLarge(long limit) =>
        new(413, InvalidRequest, "request_too_large", $"The request body is larger than the limit of {limit} bytes. Send less.");

    /// <summary>415: the body is not declared as JSON.</summary>
    public static ApiError UnsupportedMediaType() =>
        new(415, InvalidRequest, "unsupported_media_type", "The request body must be JSON. Set 'Content-Type: application/json'.");

    /// <summary>422: the request contradicts the contract of the deployment.</summary>
    public static ApiError ContractMismatch(string message, string? param = null) =>
        new(422, InvalidRequest, "contract_mismatch", message, param);

    /// <summary>422: a value does not satisfy a JSON Schema.</summary>
    public static ApiError SchemaViolation(string message, string? param = null) =>
        new(422, InvalidRequest, "schema_violation", message, param);

    /// <summary>429: too many requests or tokens.</summary>
    public static ApiError RateLimitExceeded(string message, int retryAfterSeconds) =>
        new(429, RateLimit, "rate_limit_exceeded", message) { RetryAfterSeconds = retryAfterSeconds };

    /// <summary>429: the budget is used up; waiting does not help.</summary>
    public static ApiError InsufficientQuota(string message) =>
        new(429, RateLimit, "insufficient_quota", message) { ShouldRetry = false };

    /// <summary>500: a defect of this server.</summary>
    public static ApiError InternalError() =>
        new(500, Server, "internal_error", "The server had an error while processing the request. Try again; if it repeats, report the x-request-id.");

    /// <summary>500: the engine could not finish this sequence.</summary>
    public static ApiError EngineFailed(string reason) =>
        new(500, Server, "engine_failed", $"The reply could not be finished: {reason}");

    /// <summary>502: the worker answered with something unusable or broke off.</summary>
    public static ApiError UpstreamError(string message) =>
        new(502, Server, "upstream_error", message);

    /// <summary>504: the worker did not answer in time.</summary>
    public static ApiError UpstreamTimeout() =>
        new(504, Server, "upstream_timeout", "The worker did not answer in time. Try again.");

    /// <summary>504: a named deadline of a reply has passed.</summary>
    public static ApiError UpstreamTimeout(string what) =>
        new(504, Server, "upstream_timeout", $"The worker did not answer in time: {what}. Try again, ask for fewer tokens, or have the operator raise the limit.");

    /// <summary>503: too much work is waiting.</summary>
    public static ApiError Overloaded(int retryAfterSeconds) =>
        new(503, Server, "server_is_overloaded", "The server has more requests than it can take. Try again after the time in Retry-After.") { RetryAfterSeconds = retryAfterSeconds };

    /// <summary>503: no worker can take the request.</summary>
    public static ApiError NoHealthyWorker(int retryAfterSeconds = 1) =>
        new(503, Server, "no_healthy_worker", "No worker is ready for this request. Try again after the time in Retry-After.") { RetryAfterSeconds = retryAfterSeconds };

    /// <summary>503: the store accepts no writes, so nothing that must be recorded is served.</summary>
    public static ApiError StoreUnavailable() =>
        new(503, Server, "store_unavailable", "The store cannot be written now, so the request was not served. Try again after the time in Retry-After.") { RetryAfterSeconds = 1 };

    /// <summary>400: a guard does not let the messages, the prompt or the input through. It is not said which guard, or it could be probed.</summary>
    public static ApiError ContentFiltered(string field) =>
        new(400, InvalidRequest, "content_filter", $"The field '{field}' holds content that this deployment does not accept. Change it and try again.", field);

    /// <summary>503: the key's limits cannot be counted for all replicas, and its policy is to refuse then.</summary>
    public static ApiError LimitsUnavailable() =>
        new(503, Server, "limits_unavailable", "The limits of this key cannot be counted now, so the request was not served. Try again after the time in Retry-After.") { RetryAfterSeconds = 1 };

    /// <summary>400 or 422: the deployment's contract refuses the request.</summary>
    public static ApiError ContractRefused(ContractRefusal refusal) =>
        new(refusal.Parameter is "messages" or "tools" ? 400 : 422, InvalidRequest, refusal.Code, refusal.Message, refusal.Parameter);

    /// <summary>400: the content of a new contract version cannot be stored.</summary>
    public static ApiError InvalidContract(JsonProblem problem) =>
        problem.Pointer.StartsWith("/output_schema", StringComparison.Ordinal) || problem.Pointer.StartsWith("/variables", StringComparison.Ordinal)
            ? new(400, InvalidRequest, "unsupported_schema", $"The contract's {problem}. Correct or remove it.", "content" + problem.Pointer.Replace('/', '.'))
            : InvalidValue("content" + problem.Pointer.Replace('/', '.'), problem.Message + ".");

    /// <summary>Nothing is recorded of an end user.</summary>
    public static ApiError UserNotFound() => new(
        StatusCodes.Status404NotFound, "invalid_request_error", "user_not_found", "No interaction of this user is recorded. Check the spelling: it is what requests gave as safety_identifier or user.", "user");

    /// <summary>404: feedback on something this installation never answered.</summary>
    public static ApiError InteractionNotFound(string id) =>
        new(404, InvalidRequest, "interaction_not_found", $"No interaction '{id}' exists. Send the 'id' of a reply of this server.", "response_id");

    /// <summary>503: the adapter is on its way to the worker.</summary>
    public static ApiError AdapterLoading(string model) =>
        new(503, Server, "adapter_loading", $"The adapter of '{model}' is still loading. Try again after the time in Retry-After.", "model") { RetryAfterSeconds = 1 };

    /// <summary>400: an adapter name that cannot be used.</summary>
    public static ApiError InvalidAdapterName(string expected) =>
        new(400, InvalidRequest, "invalid_lora_name", $"Invalid value for 'lora_name': {expected}", "lora_name");

    /// <summary>400: the name is taken and the call did not ask for replacement (vLLM's status).</summary>
    public static ApiError AdapterAlreadyLoaded(string name) =>
        new(400, InvalidRequest, "lora_adapter_already_loaded", $"The LoRA adapter '{name}' is already loaded. Send 'load_inplace': true to replace it, or unload it first.", "lora_name");

    /// <summary>404: no adapter of this name is loaded.</summary>
    public static ApiError AdapterNotFound(string name) =>
        new(404, InvalidRequest, "lora_adapter_not_found", $"The LoRA adapter '{name}' is not loaded. List the loaded ones with GET /v1/lora_adapters.", "lora_name");

    /// <summary>404: the adapter's folder or one of its files does not exist on this worker.</summary>
    public static ApiError AdapterPathNotFound() =>
        new(404, InvalidRequest, "adapter_path_not_found", "The adapter folder does not exist or lacks adapter_config.json and adapter_model.safetensors. Check 'lora_path' on the server.", "lora_path");

    /// <summary>404: no adapter lies there below the import folder. Says the same for what lies elsewhere, whether it exists or not.</summary>
    public static ApiError AdapterImportNotFound(string path) =>
        new(404, InvalidRequest, "adapter_path_not_found", $"No folder '{path}' with adapter_config.json and adapter_model.safetensors lies below 'import' in the server's data folder. Copy the adapter there and name its folder.", "lora_path");

    /// <summary>422: the adapter's files are there but cannot be served.</summary>
    public static ApiError InvalidAdapter(string reason) =>
        new(422, InvalidRequest, "invalid_lora_adapter", $"The adapter cannot be served on this base model: {reason}", "lora_path");

    /// <summary>415: an upload that is neither a form nor a tar.</summary>
    public static ApiError UnsupportedUploadType() =>
        new(415, InvalidRequest, "unsupported_media_type", "An adapter is sent as 'multipart/form-data' with its files, as 'application/x-tar' of its folder, or as 'application/gzip' of that.");

    /// <summary>400: an upload whose archive or form cannot be taken.</summary>
    public static ApiError InvalidUpload(string problem) =>
        new(400, InvalidRequest, "invalid_upload", $"The upload cannot be taken: {problem}");

    /// <summary>422: an adapter without a trusted signature, where one is asked for.</summary>
    public static ApiError AdapterNotSigned(string problem) =>
        new(422, InvalidRequest, "adapter_signature_invalid", $"The adapter is not signed by a trusted key: {problem} Sign it again, or ask the operator to trust its key.");

    /// <summary>409: something still needs the adapter.</summary>
    public static ApiError AdapterInUse(string generation, string deployment) =>
        Conflict("adapter_in_use", $"The adapter '{generation[..12]}' serves the deployment '{deployment}', is on its way to it, or is what a rollback returns to: move the deployment on first.", "generation");

    /// <summary>503: the disk takes no adapter.</summary>
    public static ApiError AdapterStorageUnavailable() =>
        new(503, Server, "adapter_storage_unavailable", "The adapter cannot be stored now. Free disk space on the server and send it again.") { RetryAfterSeconds = 10 };

    /// <summary>502: the adapter cannot be fetched from the gateway.</summary>
    public static ApiError AdapterFetchFailed(string problem) =>
        new(502, Server, "adapter_fetch_failed", $"The worker could not fetch the adapter: {problem}");

    /// <summary>400: a compare-and-swap that does not ask for replacement.</summary>
    public static ApiError InvalidAdapterLoadPolicy() =>
        new(400, InvalidRequest, "invalid_lora_load_policy", "'expected_generation' needs 'load_inplace': true. Add it or drop the expectation.", "expected_generation");

    /// <summary>409: the name does not point to the expected generation.</summary>
    public static ApiError AdapterGenerationMismatch(string name) =>
        Conflict("lora_generation_mismatch", $"The LoRA adapter '{name}' does not have the expected generation. Read GET /v1/lora_adapters and decide again.", "expected_generation");

    /// <summary>409: no room for another adapter.</summary>
    public static ApiError AdapterLimitExceeded() =>
        Conflict("lora_adapter_limit_exceeded", "The adapters that stay in memory leave no room for this one. Unload one, or start the worker with more '--adapter-memory'.");

    /// <summary>503: the adapter had left memory and cannot be read again.</summary>
    public static ApiError AdapterLost(string model, string reason) =>
        new(503, Server, "adapter_lost", $"The adapter of '{model}' is not in memory any more and cannot be read again: {reason}", "model") { RetryAfterSeconds = 1 };

    /// <summary>429: another adapter is being loaded; loads do not queue.</summary>
    public static ApiError AdapterLoadBusy() =>
        new(429, RateLimit, "lora_load_busy", "Another adapter is being loaded. Try again after the time in Retry-After.") { RetryAfterSeconds = 1 };

    private static string Names(KeyScope scopes) =>
        string.Join(" or ", Enum.GetValues<KeyScope>().Where(scope => scope != KeyScope.None && scopes.HasFlag(scope)).Select(scope => $"'{JsonNamingPolicy.SnakeCaseLower.ConvertName(scope.ToString())}'"));

    /// <summary>Writes <c>{"error":{message,type,param,code}}</c>; all four members are always present.</summary>
    public void WriteTo(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteStartObject("error");
        writer.WriteString("message", Message);
        writer.WriteString("type", Type);
        writer.WriteString("param", Param);
        writer.WriteString("code", Code);
        writer.WriteEndObject();
        writer.WriteEndObject();
    }
}
