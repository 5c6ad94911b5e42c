using Gateway.Api.Wire;
using Gateway.Domain.Json;
using Gateway.FrontDoor;
using Gateway.Hosting;
using Gateway.Security;

namespace Gateway.Api;

/// <summary>Registered adapter generations.</summary>
internal static class AdaptersEndpoints
{
    /// <summary>The route table.</summary>
    public static void MapAdapters(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/adapters", List);
        routes.MapGet("/v1/adapters/{generation}", GetAsync);
        routes.MapPost("/v1/adapters/import", ImportFolderAsync);
    }

    /// <summary>Body of an import; <see cref="Path"/> is a folder below the server's import folder.</summary>
    internal sealed record ImportAdapter(string? Path, string? Name, string? Reason);

    private static IResult List(RoutingState routing) =>
        ApiReply.List(routing.Current.Adapters.Values.OrderBy(adapter => adapter.CreatedAt), DomainJson.Default.Adapter);

    private static async Task<IResult> GetAsync(string generation, AdapterRegistry adapters, CancellationToken cancellationToken) =>
        await adapters.FindAsync(generation, cancellationToken) is { } adapter
            ? ApiReply.Json(adapter, DomainJson.Default.Adapter)
            : ApiReply.Error(ApiError.NotFound("adapter", generation));

    private static async Task<IResult> ImportFolderAsync(HttpContext context, AdapterRegistry adapters, DataFolder data, RoutingState routing)
    {
        var (body, error) = await ControlBody.ReadAsync(context.Request, ApiJson.Default.ImportAdapter);
        if (body is null)
        {
            return ApiReply.Error(error!);
        }

        if (body.Path is null)
        {
            return ApiReply.Error(ApiError.MissingParameter("path"));
        }

        var (adapter, failure) = await ImportAsync(context, body.Path, body.Name, body.Reason ?? "imported", adapters, data);
        if (adapter is null)
        {
            return ApiReply.Error(failure!);
        }

        await routing.RefreshAsync(context.RequestAborted);
        return ApiReply.Json(adapter, DomainJson.Default.Adapter, StatusCodes.Status201Created);
    }

    /// <summary>Registers a folder that a caller names; nothing outside the import folder can be read this way.</summary>
    internal static async Task<Registration> ImportAsync(
        HttpContext context, string path, string? name, string reason, AdapterRegistry adapters, DataFolder data)
    {
        var folder = PathJail.ResolveFolder(data.Import, path);
        return folder is null || !PathJail.IsRegularFile(folder, "adapter_config.json") || !PathJail.IsRegularFile(folder, "adapter_model.safetensors")
            ? new(null, ApiError.AdapterImportNotFound(path))
            : await adapters.RegisterAsync(folder, name ?? Path.GetFileName(folder), runId: null, context.Actor(), reason, context.RequestAborted);
    }
}
