using System.Diagnostics.CodeAnalysis;
using Gateway.Api.Wire;

namespace Gateway.Worker;

/// <summary>Makes ids of text that no template renders.</summary>
internal static class TextIds
{
    /// <summary>The ids of a prompt, with the tokens that the tokenizer puts around a text; ids that were given stay as they are.</summary>
    public static bool TryRead(WorkerRuntime runtime, TextPrompt prompt, string field, [NotNullWhen(true)] out int[]? ids, [NotNullWhen(false)] out ApiError? error)
    {
        ids = prompt.Text is { } text ? runtime.Tokenizer.Encode(text, addSpecialTokens: true) : [.. prompt.Ids!];
        var size = runtime.Config.VocabularySize;
        error = ids.Length == 0 ? ApiError.InvalidValue(field, "it makes no tokens; send at least one.")
            : Array.Exists(ids, id => id >= size) ? ApiError.InvalidValue(field, $"the model has no token ids from {size} on.")
            : null;
        return error is null;
    }
}
