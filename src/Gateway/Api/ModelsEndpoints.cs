using System.Text.Json.Serialization;
using Gateway.Api.Wire;
using Gateway.FrontDoor;
using Gateway.Hosting;

namespace Gateway.Api;

/// <summary>
/// A model as clients list it. <c>root</c> is the public name, never a file path; <c>permission</c> is there, empty, for clients of
/// vLLM that read it.
/// </summary>
internal sealed record ModelCard(
    string Id,
    string Object,
    long Created,
    string OwnedBy,
    string Root,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? Parent,
    int MaxModelLen,
    IReadOnlyList<string> Permission,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? AdapterGeneration,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? Contract,
    int? Rank,
    long? Bytes);

/// <summary>The deployments as OpenAI models.</summary>
internal static class ModelsEndpoints
{
    /// <summary>The route table; ids may hold slashes and colons, escaped or not.</summary>
    public static void MapModels(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/models", (HttpContext context, RoutingState routing, BaseModel baseModel) => ApiReply.List(
            routing.Current.Deployments.Values.Where(route => MayUse(context, route)).OrderBy(route => route.Deployment.Name, StringComparer.Ordinal).Select(route => Card(route, routing.Current, baseModel)),
            ApiJson.Default.ModelCard));
        routes.MapGet("/v1/models/{**id}", (string id, HttpContext context, RoutingState routing, BaseModel baseModel) =>
            routing.Current.Deployments.TryGetValue(Callers.Name(id), out var route) && MayUse(context, route)
                ? ApiReply.Json(Card(route, routing.Current, baseModel), ApiJson.Default.ModelCard)
                : ApiReply.Error(ApiError.ModelNotFound(Callers.Name(id))));
        routes.MapDelete("/v1/models/{**id}", DeleteAsync);
    }

    /// <summary>Removes a deployment that serves an adapter; deployments are the operators', so only they may.</summary>
    private static async Task<IResult> DeleteAsync(string id, HttpContext context, RoutingState routing, TrafficSwitch traffic)
    {
        var name = Callers.Name(id);
        if (!routing.Current.Deployments.TryGetValue(name, out var route))
        {
            return ApiReply.Error(ApiError.ModelNotFound(name));
        }

        if (route.Stable.Release.Generation is null)
        {
            return ApiReply.Error(ApiError.Conflict("model_not_fine_tuned", $"The model '{name}' has no adapter, and only fine-tuned models can be deleted.", "model"));
        }

        var switched = await traffic.DeleteAsync(name, context.Actor(), "models.delete", context.RequestAborted);
        return switched.Error is { } failure ? ApiReply.Error(failure) : ApiReply.Json(new(name, "model", true), ApiJson.Default.DeletedReply);
    }

    // A key sees the models it may use.
    private static bool MayUse(HttpContext context, DeploymentRoute route) => context.Caller().MayUse(route.Deployment.Name);

    private static ModelCard Card(DeploymentRoute route, RoutingSnapshot snapshot, BaseModel baseModel)
    {
        var deployment = route.Deployment;
        var isBase = deployment.Name == baseModel.Name;
        var adapter = route.Stable.Release.Generation is { } generation ? snapshot.Adapters.GetValueOrDefault(generation) : null;
        return new(
            deployment.Name, "model", deployment.History.Count > 0 ? deployment.History[0].At.ToUnixTimeSeconds() : 0, "gateway",
            deployment.Name, isBase ? null : baseModel.Name, baseModel.Config.ContextLength,
            [], route.Stable.Release.Generation, route.Stable.ContractName, adapter?.Rank, adapter?.Bytes);
    }
}
