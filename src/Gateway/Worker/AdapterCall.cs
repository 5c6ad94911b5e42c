using System.Text.Json;
using Gateway.Api.Wire;

namespace Gateway.Worker;

/// <summary>
/// The body of a load or unload call; unknown members are ignored, as vLLM does. <see cref="Generation"/> is the content that the
/// path must hold, and that is fetched from the gateway where this machine has no such path.
/// </summary>
internal sealed record AdapterCall(string Name, string? Path, bool Replace, string? ExpectedGeneration, bool Pinned, string? Generation)
{
    /// <summary>Reads the body: a call or an error.</summary>
    public static async Task<(AdapterCall? Call, ApiError? Error)> ReadAsync(HttpRequest request, long limit, bool needsPath)
    {
        var body = await JsonBody.ReadAsync(request, limit, request.HttpContext.RequestAborted);
        if (body.Document is null)
        {
            return (null, body.Error);
        }

        using (body.Document)
        {
            return Parse(body.Document.RootElement, needsPath);
        }
    }

    private static (AdapterCall? Call, ApiError? Error) Parse(JsonElement root, bool needsPath)
    {
        if (root.ValueKind != JsonValueKind.Object)
        {
            return (null, ApiError.InvalidJson("the body is not an object."));
        }

        var fields = new FieldReader();
        var (name, path, replace, expected, pinned, generation) = ((string?)null, (string?)null, false, (string?)null, false, (string?)null);
        foreach (var property in root.EnumerateObject().Where(property => property.Value.ValueKind != JsonValueKind.Null))
        {
            switch (property.Name)
            {
                case "lora_name": name = fields.Text(property.Value, "lora_name")?.Trim(); break;
                case "lora_path": path = fields.Text(property.Value, "lora_path"); break;
                case "load_inplace": replace = fields.Truth(property.Value, "load_inplace") ?? false; break;
                case "expected_generation": expected = fields.Text(property.Value, "expected_generation"); break;
                case "pinned": pinned = fields.Truth(property.Value, "pinned") ?? false; break;
                case "adapter_generation": generation = ReadGeneration(property.Value, fields); break;
                case "is_3d_lora_weight" when fields.Truth(property.Value, "is_3d_lora_weight") is true:
                    fields.Fail(ApiError.UnsupportedParameter("is_3d_lora_weight"));
                    break;
            }
        }

        if (string.IsNullOrEmpty(name))
        {
            fields.Fail(ApiError.MissingParameter("lora_name"));
        }

        if (needsPath && string.IsNullOrEmpty(path))
        {
            fields.Fail(ApiError.MissingParameter("lora_path"));
        }

        return fields.Error is { } error ? (null, error) : (new AdapterCall(name!, path, replace, expected, pinned, generation), null);
    }

    // It becomes a folder's name, so nothing but a hash is one.
    private static string? ReadGeneration(JsonElement value, FieldReader fields)
    {
        var text = fields.Text(value, "adapter_generation");
        if (text is not null && (text.Length != 64 || !text.All(char.IsAsciiHexDigitLower)))
        {
            fields.Fail(ApiError.InvalidValue("adapter_generation", "expected 64 lower-case hex digits."));
        }

        return text;
    }
}
