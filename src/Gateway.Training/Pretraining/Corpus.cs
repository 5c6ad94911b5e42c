using System.IO.Compression;
using System.Text.Json;
using Gateway.Domain.Interactions;

namespace Gateway.Training.Pretraining;

/// <summary>One document of a corpus: running text, or a conversation.</summary>
/// <param name="Source">Where it comes from, such as <c>gsm8k/train</c>; the part before the first slash names the stream.</param>
/// <param name="Text">Running text, or null.</param>
/// <param name="Messages">A conversation, or null.</param>
public sealed record CorpusDocument(string Source, string? Text, IReadOnlyList<ChatMessage>? Messages);

/// <summary>
/// The text corpora of a pre-training run: gzip-compressed JSON Lines, rows <c>{"source","text"}</c> or
/// <c>{"source","messages"}</c>. A file NAME.jsonl.gz may have a sibling NAME-validation.jsonl.gz that is never trained on.
/// </summary>
public static class Corpus
{
    /// <summary>The three files a corpora folder must hold.</summary>
    public static readonly IReadOnlyList<string> Names = ["books", "dialogues", "tasks"];

    /// <summary>Why <paramref name="folder"/> cannot serve, or null.</summary>
    public static string? Check(string folder)
    {
        foreach (var name in Names)
        {
            foreach (var file in new[] { $"{name}.jsonl.gz", $"{name}-validation.jsonl.gz" })
            {
                if (!File.Exists(Path.Combine(folder, file)))
                {
                    return $"'{file}' is missing from the corpora folder '{folder}': give --corpora a folder with books, dialogues and tasks (.jsonl.gz and -validation.jsonl.gz).";
                }
            }
        }

        return null;
    }

    /// <summary>Reads one file in order.</summary>
    /// <exception cref="InvalidDataException">A row is not of the two shapes; the message names file and line.</exception>
    public static IEnumerable<CorpusDocument> Read(string file)
    {
        using var gzip = new GZipStream(File.OpenRead(file), CompressionMode.Decompress);
        using var reader = new StreamReader(gzip);
        for (var line = 1; reader.ReadLine() is { } text; line++)
        {
            yield return Parse(text) ?? throw new InvalidDataException(
                $"{Path.GetFileName(file)}, line {line}: expected {{\"source\",\"text\"}} or {{\"source\",\"messages\"}}.");
        }
    }

    private static CorpusDocument? Parse(string line)
    {
        using var json = JsonDocument.Parse(line);
        var row = json.RootElement;
        if (row.ValueKind != JsonValueKind.Object || !row.TryGetProperty("source", out var source))
        {
            return null;
        }

        if (row.TryGetProperty("text", out var text))
        {
            return new CorpusDocument(source.GetString()!, text.GetString(), null);
        }

        if (!row.TryGetProperty("messages", out var messages))
        {
            return null;
        }

        return new CorpusDocument(source.GetString()!, null, [.. messages.EnumerateArray().Select(message => new ChatMessage
        {
            Role = message.GetProperty("role").GetString()!,
            Content = message.GetProperty("content").GetString(),
        })]);
    }
}
