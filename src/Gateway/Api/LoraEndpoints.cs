using System.Text.Json.Serialization;
using Gateway.Api.Wire;
using Gateway.Domain.Adapters;
using Gateway.Domain.Releases;
using Gateway.FrontDoor;
using Gateway.Hosting;

namespace Gateway.Api;

/// <summary>
/// vLLM's adapter calls on the front door: loading makes or moves a deployment of that name without a contract, unloading
/// removes it.
/// </summary>
internal static class LoraEndpoints
{
    /// <summary>The route table.</summary>
    public static void MapLora(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/lora_adapters", List);
        routes.MapPost("/v1/load_lora_adapter", LoadAsync);
        routes.MapPost("/v1/unload_lora_adapter", UnloadAsync);
    }

    /// <summary>
    /// Body of a load; <see cref="LoraPath"/> is a folder below the server's import folder. With <see cref="ExpectedGeneration"/>
    /// it is a compare-and-set.
    /// </summary>
    internal sealed record LoadLora(string? LoraName, string? LoraPath, bool LoadInplace, string? ExpectedGeneration, [property: JsonPropertyName("is_3d_lora_weight")] bool Is3dLoraWeight);

    /// <summary>
    /// Body of an unload; vLLM's <c>lora_int_id</c> is accepted and has no meaning here. With <see cref="ExpectedGeneration"/> the
    /// name is removed only while it points there.
    /// </summary>
    internal sealed record UnloadLora(string? LoraName, long? LoraIntId, string? ExpectedGeneration);

    /// <summary>An adapter deployment, listed or just loaded; a client that does not accept JSON gets vLLM's plain text for the latter.</summary>
    internal sealed record LoadedLora(string Id, string Generation, string? PreviousGeneration, int Rank, long Bytes);

    private static IResult List(RoutingState routing)
    {
        var snapshot = routing.Current;
        return ApiReply.List(
            from route in snapshot.Deployments.Values
            where IsAdapter(route) && snapshot.Adapters.ContainsKey(route.Stable.Release.Generation!)
            orderby route.Deployment.Name
            let adapter = snapshot.Adapters[route.Stable.Release.Generation!]
            select new LoadedLora(route.Deployment.Name, adapter.Generation, null, adapter.Rank, adapter.Bytes),
            ApiJson.Default.LoadedLora);
    }

    private static async Task<IResult> LoadAsync(
        HttpContext context, AdapterRegistry adapters, DataFolder data, ReleaseBuilder releases, TrafficSwitch traffic, RoutingState routing)
    {
        var (body, error) = await ControlBody.ReadAsync(context.Request, ApiJson.Default.LoadLora);
        if (body is null)
        {
            return ApiReply.Error(error!);
        }

        if (body.LoraPath is null)
        {
            return ApiReply.Error(ApiError.MissingParameter("lora_path"));
        }

        if (!DeploymentsEndpoints.IsName(body.LoraName))
        {
            return ApiReply.Error(ApiError.InvalidAdapterName("expected 1 to 128 letters, digits, '_', '.', ':', '/', '-', without '--'."));
        }

        if (body.Is3dLoraWeight)
        {
            return ApiReply.Error(ApiError.UnsupportedParameter("is_3d_lora_weight"));
        }

        if (body is { ExpectedGeneration: not null, LoadInplace: false })
        {
            return ApiReply.Error(ApiError.InvalidAdapterLoadPolicy());
        }

        var name = body.LoraName!;
        var current = routing.Current.Deployments.GetValueOrDefault(name);
        if (current is not null && (!body.LoadInplace || !IsAdapter(current)))
        {
            return ApiReply.Error(ApiError.AdapterAlreadyLoaded(name));
        }

        if (body.ExpectedGeneration is { } expected && current?.Stable.Release.Generation != expected)
        {
            return ApiReply.Error(ApiError.AdapterGenerationMismatch(name));
        }

        var (adapter, importError) = await AdaptersEndpoints.ImportAsync(context, body.LoraPath, name, "load_lora_adapter", adapters, data);
        if (adapter is null)
        {
            return ApiReply.Error(importError!);
        }

        // The caller names no contract, which is the meaning of this call, so a binding to one does not stand in its way.
        var (release, write, releaseError) = await releases.BuildAsync(contract: null, adapter.Generation, force: true, context.RequestAborted);
        if (release is null)
        {
            return ApiReply.Error(releaseError!);
        }

        var switched = await SwitchAsync(name, current, release, write is null ? [] : [write], context, traffic);
        return switched.Error is { } failure
            ? ApiReply.Error(failure)
            : Loaded(context, name, adapter, current?.Stable.Release.Generation);
    }

    private static Task<Switched> SwitchAsync(
        string name, DeploymentRoute? current, Release release, IReadOnlyList<Domain.Storage.DocumentWrite> writes, HttpContext context, TrafficSwitch traffic) =>
        current is null
            ? traffic.CreateAsync(name, release, learns: false, context.Actor(), "load_lora_adapter", writes, context.RequestAborted)
            : traffic.MoveAsync(name, current.Deployment.ReleaseId, release, context.Actor(), "load_lora_adapter", writes, context.RequestAborted);

    private static async Task<IResult> UnloadAsync(HttpContext context, TrafficSwitch traffic, RoutingState routing)
    {
        var (body, error) = await ControlBody.ReadAsync(context.Request, ApiJson.Default.UnloadLora);
        if (body is null)
        {
            return ApiReply.Error(error!);
        }

        if (string.IsNullOrEmpty(body.LoraName))
        {
            return ApiReply.Error(ApiError.MissingParameter("lora_name"));
        }

        // A deployment that was made in another way is not this call's to remove.
        if (!routing.Current.Deployments.TryGetValue(body.LoraName, out var route) || !IsAdapter(route))
        {
            return ApiReply.Error(ApiError.AdapterNotFound(body.LoraName));
        }

        if (body.ExpectedGeneration is { } expected && route.Stable.Release.Generation != expected)
        {
            return ApiReply.Error(ApiError.AdapterGenerationMismatch(body.LoraName));
        }

        var switched = await traffic.DeleteAsync(body.LoraName, context.Actor(), "unload_lora_adapter", context.RequestAborted);
        return switched.Error is { } failure
            ? ApiReply.Error(failure)
            : Results.Text($"Success: LoRA adapter '{body.LoraName}' removed successfully.");
    }

    private static bool IsAdapter(DeploymentRoute route) => route.Stable is { Contract: null, Release.Generation: not null };

    private static IResult Loaded(HttpContext context, string name, Adapter adapter, string? previous) =>
        context.Request.Headers.Accept.ToString().Contains("application/json", StringComparison.OrdinalIgnoreCase)
            ? ApiReply.Json(new(name, adapter.Generation, previous, adapter.Rank, adapter.Bytes), ApiJson.Default.LoadedLora)
            : Results.Text($"Success: LoRA adapter '{name}' added successfully.");
}
