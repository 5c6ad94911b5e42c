using Gateway.Api.Wire;
using Gateway.Engine.Grammars;
using Gateway.Model.Text;

namespace Gateway.Worker.ToolCalls;

/// <summary>
/// The forms of calls that a model begins by itself. It keeps its habits: white space where JSON allows it, members in either
/// order. Which functions there are and what their arguments look like is not a habit.
/// </summary>
internal sealed class CallGrammar
{
    // Bounded, because models idle in white space.
    private const string Space = "[ \\t\\r\\n]{0,16}";
    private const string ArgumentsKey = $"\"(arguments|parameters)\"{Space}:{Space}";
    private const string NameKey = $"\"name\"{Space}:{Space}";
    private const string Comma = $"{Space},{Space}";

    // Llama 3.1 likes to begin with the type.
    private const string Head = $"{Space}(\"type\"{Space}:{Space}\"function\"{Comma})?";

    private static readonly GrammarPart.Pattern s_end = new(Space + "\\}");

    private readonly Tokenizer _tokenizer;

    /// <summary>Calls of some functions, written with the tokens of a tokenizer.</summary>
    public CallGrammar(IReadOnlyList<ToolFunction> functions, Tokenizer tokenizer)
    {
        (Functions, _tokenizer) = (functions, tokenizer);
        BehindBrace = new GrammarPart.Choice(
            new GrammarPart.Sequence(new GrammarPart.Pattern(Head + NameKey), new GrammarPart.Choice([.. functions.Select(function =>
                new GrammarPart.Sequence(Name(function), new GrammarPart.Pattern(Comma + ArgumentsKey), Arguments(function)))]), s_end),
            new GrammarPart.Sequence(new GrammarPart.Pattern(Head + ArgumentsKey), new GrammarPart.Choice([.. functions.Select(function =>
                new GrammarPart.Sequence(Arguments(function), new GrammarPart.Pattern(Comma + NameKey), Name(function)))]), s_end));
        Object = new GrammarPart.Sequence(new GrammarPart.Pattern(Space + "\\{"), BehindBrace);
        var item = new GrammarPart.Sequence(Object, White);
        List = new GrammarPart.Sequence(
            new GrammarPart.Pattern(Space + "\\["), GrammarPart.Repeat(item, ",", int.MaxValue), new GrammarPart.Literal("]"));
    }

    /// <summary>The functions that may be called.</summary>
    public IReadOnlyList<ToolFunction> Functions { get; }

    /// <summary>White space, or none.</summary>
    public static GrammarPart.Pattern White { get; } = new(Space);

    /// <summary>A JSON object with a name and arguments, white space in front of it.</summary>
    public GrammarPart Object { get; }

    /// <summary>The same behind its brace.</summary>
    public GrammarPart BehindBrace { get; }

    /// <summary>A list of such objects, at least one.</summary>
    public GrammarPart List { get; }

    /// <summary>One of the family's markers: its token, or its text where the tokenizer has none.</summary>
    public GrammarPart Mark(string text) => _tokenizer.TokenToId(text) is { } id ? new GrammarPart.Token(id) : new GrammarPart.Literal(text);

    /// <summary>The arguments of a function.</summary>
    public static GrammarPart.Schema Arguments(ToolFunction function) => new(
        function.Parameters is { } parameters ? parameters.GetRawText() : """{"type":"object","additionalProperties":false}""", function.Pointer);

    private static GrammarPart.Literal Name(ToolFunction function) => new($"\"{function.Name}\"");
}
