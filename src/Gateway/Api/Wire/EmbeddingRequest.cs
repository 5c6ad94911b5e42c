using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace Gateway.Api.Wire;

/// <summary>A checked body of <c>POST /v1/embeddings</c>.</summary>
public sealed record EmbeddingRequest
{
    /// <summary>OpenAI's limit on inputs of one request.</summary>
    public const int MaximumInputs = 2048;

    /// <summary>The model asked for.</summary>
    public required string Model { get; init; }

    /// <summary>The texts, at least one.</summary>
    public required IReadOnlyList<TextPrompt> Inputs { get; init; }

    /// <summary>True for base64 of little-endian floats instead of numbers.</summary>
    public bool Base64 { get; init; }

    /// <summary>The length asked for; only the model's own is served.</summary>
    public int? Dimensions { get; init; }

    /// <summary>The end user.</summary>
    public string? User { get; init; }

    /// <summary>Fields that were accepted without effect.</summary>
    public IReadOnlyList<string> IgnoredParameters { get; init; } = [];

    /// <summary>Checks every field of <paramref name="body"/>; <paramref name="error"/> names the first that is wrong.</summary>
    public static bool TryParse(JsonElement body, [NotNullWhen(true)] out EmbeddingRequest? request, [NotNullWhen(false)] out ApiError? error)
    {
        var fields = new FieldReader();
        var (model, inputs, format, ignored) = ((string?)null, (IReadOnlyList<TextPrompt>?)null, "float", new List<string>());
        (request, long? dimensions, string? user) = (null, null, null);
        foreach (var property in body.ValueKind == JsonValueKind.Object ? body.EnumerateObject() : default)
        {
            var (name, value) = (property.Name, property.Value);
            if (value.ValueKind == JsonValueKind.Null)
            {
                continue;
            }

            switch (name)
            {
                case "model": model = fields.Text(value, name); break;
                case "input": inputs = TextPrompt.ReadAll(fields, value, name, MaximumInputs); break;
                case "encoding_format": format = fields.Text(value, name); break;
                case "dimensions": dimensions = fields.Integer(value, name, 1, int.MaxValue); break;
                case "user": user = fields.Text(value, name); break;
                default: ignored.Add(name); break;
            }
        }

        if (body.ValueKind != JsonValueKind.Object)
        {
            fields.Fail(ApiError.InvalidJson("the body is not an object."));
        }
        else if (string.IsNullOrEmpty(model))
        {
            fields.Fail(ApiError.MissingParameter("model"));
        }
        else if (inputs is null)
        {
            fields.Fail(ApiError.MissingParameter("input"));
        }
        else if (format is not ("float" or "base64"))
        {
            fields.Fail(ApiError.InvalidValue("encoding_format", "expected float or base64."));
        }

        error = fields.Error;
        if (error is null)
        {
            request = new EmbeddingRequest
            {
                Model = model!,
                Inputs = inputs!,
                Base64 = format == "base64",
                Dimensions = (int?)dimensions,
                User = user,
                IgnoredParameters = ignored,
            };
        }

        return request is not null;
    }
}
