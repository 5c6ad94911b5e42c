using System.Text;
using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Engine.Adapters;

namespace Gateway.Worker;

/// <summary>
/// Loads, unloads and lists adapters. Statuses and plain-text replies are vLLM's; with <c>Accept: application/json</c> the reply
/// names the generations, and <c>expected_generation</c> turns both calls into a compare-and-swap.
/// </summary>
internal sealed class AdapterEndpoints(WorkerRuntime runtime)
{
    private const int MaximumNameBytes = 256;

    /// <summary><c>POST /v1/load_lora_adapter</c>.</summary>
    public async Task<IResult> LoadAsync(HttpContext context)
    {
        var (call, error) = await AdapterCall.ReadAsync(context.Request, runtime.Options.MaximumBodyBytes, needsPath: true);
        if (call is null)
        {
            return new ApiErrorResult(error!);
        }

        if (Encoding.UTF8.GetByteCount(call.Name) > MaximumNameBytes || call.Name == runtime.Options.ModelName)
        {
            return new ApiErrorResult(ApiError.InvalidAdapterName($"expected at most {MaximumNameBytes} bytes and not the base model's name."));
        }

        if (call.ExpectedGeneration is not null && !call.Replace)
        {
            return new ApiErrorResult(ApiError.InvalidAdapterLoadPolicy());
        }

        var path = call.Path!;
        if (call.Generation is { } generation && !Directory.Exists(path))
        {
            var (fetched, failure) = await runtime.Generations.GetAsync(generation, context.RequestAborted);
            if (fetched is null)
            {
                return new ApiErrorResult(failure!);
            }

            path = fetched;
        }

        // Not cancelled with the request: the listing tells what came of it.
        var load = await Task.Run(() => runtime.Adapters.Load(call.Name, path, call.Replace, call.ExpectedGeneration, call.Pinned), CancellationToken.None);
        if (load.Outcome == AdapterLoadOutcome.Loaded && call.Generation is { } wanted && load.Generation != wanted)
        {
            // The name is the caller's own for this generation, so nobody has asked for it yet.
            runtime.Adapters.Unload(call.Name, load.Generation);
            ForgetFetched(path, call);
            return new ApiErrorResult(ApiError.InvalidAdapter("its folder holds another generation than 'adapter_generation'. Import the adapter again."));
        }

        if (load.Outcome == AdapterLoadOutcome.Invalid)
        {
            ForgetFetched(path, call);
        }

        return Refusal(call, path, load) is { } refusal
            ? new ApiErrorResult(refusal)
            : Success(context.Request, $"Success: LoRA adapter '{call.Name}' added successfully.", json =>
            {
                json.WriteString("id", call.Name);
                json.WriteString("generation", load.Generation);
                json.WriteString("previous_generation", load.Previous);
                json.WriteNumber("rank", load.Rank);
                json.WriteNumber("bytes", load.Bytes);
            });
    }

    /// <summary><c>POST /v1/unload_lora_adapter</c>.</summary>
    public async Task<IResult> UnloadAsync(HttpContext context)
    {
        var (call, error) = await AdapterCall.ReadAsync(context.Request, runtime.Options.MaximumBodyBytes, needsPath: false);
        if (call is null)
        {
            return new ApiErrorResult(error!);
        }

        return runtime.Adapters.Unload(call.Name, call.ExpectedGeneration) switch
        {
            AdapterUnload.NotFound => new ApiErrorResult(ApiError.AdapterNotFound(call.Name)),
            AdapterUnload.GenerationMismatch => new ApiErrorResult(ApiError.AdapterGenerationMismatch(call.Name)),
            _ => Success(context.Request, $"Success: LoRA adapter '{call.Name}' removed successfully.", json => json.WriteString("id", call.Name)),
        };
    }

    /// <summary><c>GET /v1/lora_adapters</c>.</summary>
    public IResult List()
    {
        var listing = runtime.Adapters.List();
        return new JsonReply(json =>
        {
            json.WriteString("object", "list");
            json.WriteStartArray("data");
            foreach (var adapter in listing.Names)
            {
                json.WriteStartObject();
                json.WriteString("id", adapter.Name);
                json.WriteString("object", "lora_adapter");
                json.WriteString("generation", adapter.Generation);
                json.WriteNumber("rank", adapter.Rank);
                json.WriteNumber("bytes", adapter.Bytes);
                json.WriteBoolean("resident", adapter.Resident);
                json.WriteBoolean("pinned", adapter.Pinned);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteStartArray("generations");
            foreach (var resident in listing.Generations)
            {
                json.WriteStartObject();
                json.WriteString("generation", resident.Generation);
                json.WriteStartArray("aliases");
                foreach (var name in resident.Names)
                {
                    json.WriteStringValue(name);
                }

                json.WriteEndArray();
                json.WriteNumber("rank", resident.Rank);
                json.WriteNumber("bytes", resident.Bytes);
                json.WriteBoolean("retired", resident.Retired);
                json.WriteNumber("active_leases", resident.ActiveLeases);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteNumber("resident_generations", listing.Generations.Count);
            json.WriteNumber("retired_generations", listing.Generations.Count(resident => resident.Retired));
            json.WriteNumber("resident_bytes", listing.Generations.Sum(resident => resident.Bytes));
            json.WriteNumber("held_bytes", listing.HeldBytes);
            json.WriteNumber("waiting_requests", listing.Waiting);
            json.WriteNumber("max_adapters", runtime.Options.MaximumAdapters);
            json.WriteNumber("max_bytes", runtime.Options.AdapterBytes);
        });
    }

    // A power cut may have torn what was fetched; the next load fetches it again.
    private void ForgetFetched(string path, AdapterCall call)
    {
        if (path != call.Path)
        {
            runtime.Generations.Forget(call.Generation!);
        }
    }

    private static ApiError? Refusal(AdapterCall call, string path, AdapterLoad load) => load.Outcome switch
    {
        AdapterLoadOutcome.Loaded => null,
        AdapterLoadOutcome.NameTaken => ApiError.AdapterAlreadyLoaded(call.Name),
        AdapterLoadOutcome.Busy => ApiError.AdapterLoadBusy(),
        AdapterLoadOutcome.PathNotFound => ApiError.AdapterPathNotFound(),
        AdapterLoadOutcome.GenerationMismatch => ApiError.AdapterGenerationMismatch(call.Name),
        AdapterLoadOutcome.LimitExceeded => ApiError.AdapterLimitExceeded(),

        // Paths of this machine stay out of replies; the caller knows which folder it named.
        _ => ApiError.InvalidAdapter((load.Reason ?? "").Replace($"'{path}'", "the adapter folder", StringComparison.Ordinal)),
    };

    private static IResult Success(HttpRequest request, string text, Action<Utf8JsonWriter> members) =>
        request.Headers.Accept.ToString().Contains("application/json", StringComparison.OrdinalIgnoreCase)
            ? new JsonReply(members)
            : Results.Text(text);
}
