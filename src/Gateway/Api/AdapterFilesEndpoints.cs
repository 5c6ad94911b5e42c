using Gateway.Api.Wire;
using Gateway.Hosting;
using Gateway.Security;

namespace Gateway.Api;

/// <summary>The files of a generation, for workers that fetch what they are told to load, and for operators.</summary>
internal static class AdapterFilesEndpoints
{
    /// <summary>The route table. Who sends the workers' token may read the files, too.</summary>
    public static void MapAdapterFiles(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/adapters/{generation}/files", List);
        routes.MapGet("/v1/adapters/{generation}/files/{file}", Get);
    }

    /// <summary>One file of a generation.</summary>
    internal sealed record AdapterFile(string Name, string Object, long Bytes);

    private static IResult List(string generation, HttpContext context, DataFolder data, ServeOptions options)
    {
        if (RefusalOf(context, generation, data, options) is { } refusal)
        {
            return ApiReply.Error(refusal);
        }

        var folder = data.AdapterPath(generation);
        return ApiReply.List(
            AdapterRegistry.Files.Select(file => new FileInfo(Path.Combine(folder, file))).Where(file => file.Exists)
                .Select(file => new AdapterFile(file.Name, "adapter.file", file.Length)),
            ApiJson.Default.AdapterFile);
    }

    // Ranges are served, so that a broken download can go on.
    private static IResult Get(string generation, string file, HttpContext context, DataFolder data, ServeOptions options)
    {
        if (RefusalOf(context, generation, data, options) is { } refusal)
        {
            return ApiReply.Error(refusal);
        }

        var path = Path.Combine(data.AdapterPath(generation), file);
        return AdapterRegistry.Files.Contains(file, StringComparer.Ordinal) && File.Exists(path)
            ? Results.File(path, "application/octet-stream", enableRangeProcessing: true)
            : ApiReply.Error(ApiError.NotFound("adapter file", file));
    }

    private static ApiError? RefusalOf(HttpContext context, string generation, DataFolder data, ServeOptions options) =>
        !context.IsOperator() && !(options.WorkerToken is { } token && BearerToken.IsOn(context.Request, token)) ? ApiError.InvalidApiKey()
        : generation.Length == 64 && generation.All(char.IsAsciiHexDigitLower) && Directory.Exists(data.AdapterPath(generation)) ? null
        : ApiError.NotFound("adapter", generation);
}
