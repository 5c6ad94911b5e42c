using Gateway.Api.Wire;
using Gateway.Domain.Json;
using Gateway.FrontDoor;
using Gateway.Hosting;
using Gateway.Security;
using Gateway.Storage;

namespace Gateway.Api;

/// <summary>Adapter generations: uploaded, imported, listed, deleted.</summary>
internal static class AdaptersEndpoints
{
    /// <summary>The route table.</summary>
    public static void MapAdapters(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/adapters", List);
        routes.MapGet("/v1/adapters/{generation}", GetAsync);
        routes.MapPost("/v1/adapters/import", ImportFolderAsync);
        routes.MapPost("/v1/adapters", UploadAsync);
        routes.MapDelete("/v1/adapters/{generation}", DeleteAsync);
    }

    /// <summary>Body of an import; <see cref="Path"/> is a folder below the server's import folder.</summary>
    internal sealed record ImportAdapter(string? Path, string? Name, string? Reason);

    // 201 when the record is durable; the same files again are the same generation.
    private static async Task<IResult> UploadAsync(
        HttpContext context, string? name, string? reason, AdapterRegistry adapters, DataFolder data, RoutingState routing)
    {
        var folder = Path.Combine(data.Uploads, Guid.NewGuid().ToString("N"));
        try
        {
            var (fields, error) = await new AdapterUpload(folder).ReceiveAsync(context.Request, context.RequestAborted);
            if (fields is null)
            {
                return ApiReply.Error(error!);
            }

            var (adapter, refusal) = await adapters.RegisterAsync(
                folder, name ?? fields.Name ?? "uploaded", runId: null, context.Actor(), reason ?? fields.Reason ?? "uploaded", context.RequestAborted);
            if (adapter is null)
            {
                return ApiReply.Error(refusal!);
            }

            await routing.RefreshAsync(CancellationToken.None);
            return ApiReply.Json(adapter, DomainJson.Default.Adapter, StatusCodes.Status201Created);
        }
        catch (IOException failure) when (failure is not (StoreUnavailableException or BadHttpRequestException) && !context.RequestAborted.IsCancellationRequested)
        {
            return ApiReply.Error(ApiError.AdapterStorageUnavailable());
        }
        finally
        {
            if (Directory.Exists(folder))
            {
                Directory.Delete(folder, recursive: true);
            }
        }
    }

    private static async Task<IResult> DeleteAsync(string generation, string? reason, HttpContext context, AdapterRegistry adapters, RoutingState routing)
    {
        if (await adapters.DeleteAsync(generation, context.Actor(), reason ?? "not needed any more", context.RequestAborted) is { } error)
        {
            return ApiReply.Error(error);
        }

        await routing.RefreshAsync(CancellationToken.None);
        return ApiReply.Json(new(generation, "adapter", true), ApiJson.Default.DeletedReply);
    }

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
