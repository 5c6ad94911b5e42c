using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Engine.Grammars;
using Gateway.Model.Text;
using Gateway.Worker.ToolCalls;

namespace Gateway.Worker;

/// <summary>What a grammar is compiled from.</summary>
/// <param name="Key">Equal for sources that give equal grammars.</param>
/// <param name="Compile">Compiles it; may take many milliseconds.</param>
internal sealed record GrammarSource(string Key, Func<CancellationToken, Grammar> Compile)
{
    private static readonly JsonElement s_anyObject = WireJson.Element(json =>
    {
        json.WriteStartObject();
        json.WriteString("type", "object");
        json.WriteEndObject();
    });

    /// <summary>A form that the request asks for.</summary>
    public static GrammarSource Of(ReplyFormat format) => new(KeyOf(format), cancellation => Grammar.FromParts(Form(format), cancellation));

    /// <summary>Calls that are required, as a model family writes them.</summary>
    public static GrammarSource Required(ToolDialect dialect, IReadOnlyList<ToolFunction> functions, bool parallel) => new(
        $"calls:{dialect.Prompted}:{parallel}:{Hash(functions)}",
        cancellation => Grammar.FromParts(dialect.RequiredCalls(functions, parallel), cancellation));

    /// <summary>
    /// Calls that the model may make, and text or a form. Arguments that cannot be enforced are any object, unless the function is strict.
    /// </summary>
    public static GrammarSource Free(ToolDialect dialect, IReadOnlyList<ToolFunction> functions, ReplyFormat? format, Tokenizer tokenizer) => new(
        $"free:{dialect.Prompted}:{Hash(functions)}:{(format is null ? "" : KeyOf(format))}",
        cancellation =>
        {
            try
            {
                return Compile(function => SchemaCheck.ProblemOf(function.Parameters!.Value) is null);
            }
            catch (GrammarException) when (functions.Any(function => function is { IsStrict: false, Parameters: not null }))
            {
                // Each can be enforced, but all together are too large.
                return Compile(_ => false);
            }

            Grammar Compile(Func<ToolFunction, bool> isEnforced) => Grammar.FromParts(
                dialect.FreeCalls(
                    new CallGrammar([.. functions.Select(function => function.IsStrict || function.Parameters is null || isEnforced(function) ? function
                        : function with { Parameters = s_anyObject })], tokenizer),
                    format is null ? null : Form(format)),
                cancellation);
        });

    private static string KeyOf(ReplyFormat format) => $"{format.Kind}:{Hash(format.Source)}";

    private static string Hash(IReadOnlyList<ToolFunction> functions) =>
        Hash(string.Join('\n', functions.Select(function => $"{function.Name} {function.Pointer} {function.IsStrict} {function.Parameters?.GetRawText()}")));

    private static GrammarPart Form(ReplyFormat format) => format.Kind switch
    {
        ReplyFormatKind.JsonObject => new GrammarPart.Schema(s_anyObject.GetRawText(), ""),
        ReplyFormatKind.JsonSchema => new GrammarPart.Schema(format.Source, ""),
        ReplyFormatKind.Regex => new GrammarPart.Pattern(format.Source),
        _ => new GrammarPart.Texts(Choices(format.Source)),
    };

    private static string Hash(string source) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(source)));

    private static string[] Choices(string source)
    {
        using var document = JsonDocument.Parse(source);
        return [.. document.RootElement.EnumerateArray().Select(choice => choice.GetString()!)];
    }
}
