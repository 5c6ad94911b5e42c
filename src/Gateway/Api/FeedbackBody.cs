using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Domain.Interactions;

namespace Gateway.Api;

/// <summary>Reads and checks the body of <c>POST /v1/feedback</c>.</summary>
internal static class FeedbackBody
{
    private const int MaximumTags = 16;
    private static readonly HashSet<string> Members = new(StringComparer.Ordinal) { "response_id", "kind", "value", "tags", "user" };

    /// <summary>The feedback with a fresh id, or the first thing wrong with the body.</summary>
    public static bool TryRead(
        JsonElement body, DateTimeOffset now, [NotNullWhen(true)] out Feedback? feedback, [NotNullWhen(false)] out ApiError? error)
    {
        feedback = null;
        var fields = new FieldReader();
        if (fields.OfKind(body, "body", JsonValueKind.Object) is null)
        {
            error = ApiError.InvalidJson("the body is not an object.");
            return false;
        }

        if (body.EnumerateObject().Select(member => member.Name).FirstOrDefault(name => !Members.Contains(name)) is { } unknown)
        {
            error = ApiError.UnknownParameter(unknown);
            return false;
        }

        var responseId = Required(body, "response_id", fields) is { } id ? fields.Text(id, "response_id") : null;
        var kind = Required(body, "kind", fields) is { } name ? KindOf(fields.Text(name, "kind"), fields) : null;
        var value = Required(body, "value", fields);
        var user = Given(body, "user") is { } given ? fields.Text(given, "user") : null;
        var tags = Given(body, "tags") is { } pairs ? Tags(pairs, fields) : null;
        if (fields.Error is null)
        {
            feedback = WithValue(
                new Feedback
                {
                    Id = "fb_" + RandomNumberGenerator.GetHexString(24, lowercase: true),
                    ResponseId = responseId!,
                    Kind = kind!.Value,
                    Tags = tags,
                    User = user,
                    CreatedAt = now,
                },
                value!.Value,
                fields);
        }

        error = fields.Error;
        return error is null;
    }

    private static Feedback WithValue(Feedback feedback, JsonElement value, FieldReader fields) => feedback.Kind switch
    {
        FeedbackKind.Thumbs => feedback with { Thumbs = fields.Truth(value, "value") },
        FeedbackKind.Score => feedback with { Score = fields.Number(value, "value", 0, 1) },
        FeedbackKind.Correction => feedback with { Text = CorrectionText(value, fields) },
        _ => feedback with { Text = fields.Text(value, "value") },
    };

    // A correction may come as the whole assistant message it replaces.
    private static string? CorrectionText(JsonElement value, FieldReader fields)
    {
        if (value.ValueKind != JsonValueKind.Object)
        {
            return fields.Text(value, "value");
        }

        if (Given(value, "role") is { } role && !(role.ValueKind == JsonValueKind.String && role.ValueEquals("assistant")))
        {
            fields.Fail(ApiError.InvalidValue("value.role", "expected \"assistant\"."));
        }

        return Required(value, "content", fields, "value.content") is { } content ? fields.Text(content, "value.content") : null;
    }

    private static FeedbackKind? KindOf(string? name, FieldReader fields)
    {
        switch (name)
        {
            case "thumbs": return FeedbackKind.Thumbs;
            case "score": return FeedbackKind.Score;
            case "comment": return FeedbackKind.Comment;
            case "correction": return FeedbackKind.Correction;
            default:
                fields.Fail(ApiError.InvalidValue("kind", "expected thumbs, score, comment or correction."));
                return null;
        }
    }

    private static Dictionary<string, string>? Tags(JsonElement value, FieldReader fields)
    {
        if (value.ValueKind != JsonValueKind.Object
            || value.EnumerateObject().Count() > MaximumTags
            || value.EnumerateObject().Any(tag => tag.Value.ValueKind != JsonValueKind.String))
        {
            fields.Fail(ApiError.InvalidValue("tags", $"expected an object of at most {MaximumTags} strings."));
            return null;
        }

        var tags = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var tag in value.EnumerateObject())
        {
            tags[tag.Name] = tag.Value.GetString()!;
        }

        return tags;
    }

    private static JsonElement? Required(JsonElement body, string name, FieldReader fields, string? path = null)
    {
        var value = Given(body, name);
        if (value is null)
        {
            fields.Fail(ApiError.MissingParameter(path ?? name));
        }

        return value;
    }

    private static JsonElement? Given(JsonElement body, string name) =>
        body.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;
}
