using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Engine.Grammars;
using Gateway.Worker.ToolCalls;

namespace Gateway.Worker;

/// <summary>What a grammar is compiled from.</summary>
/// <param name="Key">Equal for sources that give equal grammars.</param>
/// <param name="Compile">Compiles it; may take many milliseconds.</param>
internal sealed record GrammarSource(string Key, Func<CancellationToken, Grammar> Compile)
{
    /// <summary>A form that the request asks for.</summary>
    public static GrammarSource Of(ReplyFormat format) => new($"{format.Kind}:{Hash(format.Source)}", cancellation => format.Kind switch
    {
        ReplyFormatKind.JsonObject => Grammar.JsonObject(),
        ReplyFormatKind.JsonSchema => Grammar.FromSchema(format.Source, cancellation),
        ReplyFormatKind.Regex => Grammar.FromRegex(format.Source, cancellation),
        _ => Grammar.FromChoice(Choices(format.Source), cancellation),
    });

    /// <summary>Calls of some functions, as a model family writes them.</summary>
    public static GrammarSource Of(ToolDialect dialect, IReadOnlyList<ToolFunction> functions, bool parallel)
    {
        var source = string.Join('\n', functions.Select(function => $"{function.Name} {function.Pointer} {function.Parameters?.GetRawText()}"));
        return new($"calls:{dialect.Prompted}:{parallel}:{Hash(source)}", cancellation => Grammar.FromParts(dialect.RequiredCalls(functions, parallel), cancellation));
    }

    private static string Hash(string source) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(source)));

    private static string[] Choices(string source)
    {
        using var document = JsonDocument.Parse(source);
        return [.. document.RootElement.EnumerateArray().Select(choice => choice.GetString()!)];
    }
}
