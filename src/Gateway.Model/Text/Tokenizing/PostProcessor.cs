using System.Text.Json;

namespace Gateway.Model.Text.Tokenizing;

/// <summary>The special tokens that a post-processor puts around a single text.</summary>
internal sealed record PostProcessor(int[] Before, int[] Behind)
{
    private static readonly PostProcessor s_none = new([], []);

    public static PostProcessor Read(JsonElement? element)
    {
        if (element is not { } json)
            return s_none;
        return json.Type() switch
        {
            "ByteLevel" => s_none,
            "TemplateProcessing" => Template(json),
            "RobertaProcessing" or "BertProcessing" => new PostProcessor([PairId(json, "cls")], [PairId(json, "sep")]),
            "Sequence" => json.Required("processors").EnumerateArray().Select(e => Read(e)).Aggregate(s_none, Around),
            var other => throw TokenizerException.Unsupported($"the post-processor '{other}'"),
        };
    }

    private static PostProcessor Around(PostProcessor inner, PostProcessor outer) =>
        new([.. outer.Before, .. inner.Before], [.. inner.Behind, .. outer.Behind]);

    private static int PairId(JsonElement json, string name)
    {
        var pair = json.Required(name);
        return pair.ValueKind == JsonValueKind.Array && pair.GetArrayLength() == 2
            ? pair[1].GetInt32()
            : throw new TokenizerException($"tokenizer.json: '{name}' must be [token, id]; download the file again.");
    }

    private static PostProcessor Template(JsonElement json)
    {
        var (before, behind, seen) = (new List<int>(), new List<int>(), false);
        foreach (var item in json.Required("single").EnumerateArray())
        {
            if (item.Optional("SpecialToken") is { } special)
            {
                var ids = json.Required("special_tokens").Required(special.String("id")!).Required("ids");
                (seen ? behind : before).AddRange(ids.EnumerateArray().Select(id => id.GetInt32()));
            }
            else if (seen)
            {
                throw TokenizerException.Unsupported("a post-processor template that repeats the text");
            }
            else
            {
                seen = true;
            }
        }

        return new PostProcessor([.. before], [.. behind]);
    }
}
