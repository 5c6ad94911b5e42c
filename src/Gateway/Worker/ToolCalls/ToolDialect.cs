using System.Security.Cryptography;
using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Engine.Grammars;

namespace Gateway.Worker.ToolCalls;

/// <summary>
/// How a model family writes tool calls; one for each family of chat templates, told by what the template says. A call that is
/// required begins in the prompt, with what the family puts in front of calls, and the rest obeys a grammar. Where the model
/// decides, the grammar begins with what opens a call.
/// </summary>
internal sealed class ToolDialect
{
    // A reply with more calls than this is cut short, where calls are required.
    private const int MaximumRequiredCalls = 8;
    private const string Calls = "[TOOL_CALLS]";
    private const string GraniteCall = "<|tool_call|>";
    private const string ListBegin = "<|tool_call_start|>";
    private const string ListEnd = "<|tool_call_end|>";
    private const string TagBegin = "<tool_call>";
    private const string TagEnd = "</tool_call>";
    private const string White = " \t\r\n";

    private static readonly ToolDialect s_tagged = new()
    {
        Opening = TagBegin,
        Prompted = TagBegin + "\n",
        Markers = [TagBegin, TagEnd],
        Required = (functions, most) => GrammarPart.Repeat(
            new GrammarPart.Sequence(Object(functions, "arguments"), new GrammarPart.Literal("\n" + TagEnd)), $"\n{TagBegin}\n", most),
        Free = calls => [new Opening(calls.Mark(TagBegin), new GrammarPart.Sequence(calls.Object, CallGrammar.White, calls.Mark(TagEnd)))],
        Parser = (token, inside, parallel, _) => new TaggedCalls(TagBegin, TagEnd, token, inside, parallel),
    };

    private static readonly ToolDialect s_mistral = new()
    {
        Opening = Calls,
        Prompted = Calls,
        Markers = [Calls],
        IdDigits = 9,
        Required = List,
        Free = calls => [new Opening(calls.Mark(Calls), calls.List)],
        Parser = (token, inside, parallel, _) => new ListedCalls(Calls, closing: null, token, inside, parallel),
    };

    private static readonly ToolDialect s_granite = new()
    {
        Opening = GraniteCall,
        Prompted = GraniteCall,
        Markers = [GraniteCall],
        Required = List,
        Free = calls => [new Opening(calls.Mark(GraniteCall), calls.List)],
        Parser = (token, inside, parallel, _) => new ListedCalls(GraniteCall, closing: null, token, inside, parallel),
    };

    private static readonly ToolDialect s_listed = new()
    {
        Opening = ListBegin,
        Prompted = ListBegin,
        Markers = [ListBegin, ListEnd],
        Required = List,
        SpellsOtherwise = true,
        Free = calls => [new Opening(calls.Mark(ListBegin), new GrammarPart.Sequence(calls.List, CallGrammar.White, calls.Mark(ListEnd)))],
        Parser = (token, inside, parallel, _) => new ListedCalls(ListBegin, ListEnd, token, inside, parallel),
    };

    private static readonly ToolDialect s_fenced = new()
    {
        Opening = FencedCalls.CallsBegin,
        Prompted = FencedCalls.CallsBegin + FencedCalls.CallBegin + "function" + FencedCalls.Separator,
        Markers = [FencedCalls.CallsBegin, FencedCalls.CallBegin, FencedCalls.Separator, FencedCalls.CallEnd, FencedCalls.CallsEnd],
        Required = (functions, _) => new GrammarPart.Choice([.. functions.Select(function => new GrammarPart.Sequence(
            new GrammarPart.Literal(function.Name + FencedCalls.Fence), CallGrammar.Arguments(function), new GrammarPart.Literal("\n```")))]),
        Free = calls => [new Opening(calls.Mark(FencedCalls.CallsBegin), Fenced(calls))],
        Parser = (token, inside, parallel, _) => new FencedCalls(token, inside, parallel),
    };

    private static readonly ToolDialect s_bare = new()
    {
        Opening = "",
        Prompted = "",
        Markers = [BareCalls.PythonTag],
        Required = (functions, _) => Object(functions, "parameters"),
        Free = Bare,
        Lead = White + ";",
        Parser = (_, inside, parallel, functions) => new BareCalls(functions, inside, parallel),
    };

    private ToolDialect()
    {
    }

    /// <summary>What stands in front of calls.</summary>
    public required string Opening { get; init; }

    /// <summary>What a prompt ends with when a call is required.</summary>
    public required string Prompted { get; init; }

    /// <summary>Tokens that are kept in the text for the parser, where the tokenizer has them.</summary>
    public required IReadOnlyList<string> Markers { get; init; }

    private int? IdDigits { get; init; }

    /// <summary>The form of calls that are required, up to a number of them.</summary>
    public required Func<IReadOnlyList<ToolFunction>, int, GrammarPart> Required { get; init; }

    /// <summary>The family's own spelling of calls is another one than the grammar's: Python.</summary>
    private bool SpellsOtherwise { get; init; }

    /// <summary>What opens calls that the model begins by itself, and what must follow.</summary>
    public required Func<CallGrammar, IReadOnlyList<Opening>> Free { get; init; }

    /// <summary>Makes a parser; the arguments are those of <see cref="CreateParser"/>.</summary>
    public required Func<bool, bool, bool, IReadOnlyCollection<string>, ToolCallParser> Parser { get; init; }

    /// <summary>What may stand in front of calls that only the beginning of a reply opens; null where text may.</summary>
    private string? Lead { get; init; }

    /// <summary>The dialect of the models that a chat template belongs to; a template that says nothing gets bare JSON.</summary>
    public static ToolDialect Of(string template) =>
        template.Contains(TagBegin, StringComparison.Ordinal) ? s_tagged
        : template.Contains(Calls, StringComparison.Ordinal) ? s_mistral
        : template.Contains(GraniteCall, StringComparison.Ordinal) ? s_granite
        : template.Contains("<|tool_list_start|>", StringComparison.Ordinal) || template.Contains(ListBegin, StringComparison.Ordinal) ? s_listed
        : template.Contains(FencedCalls.CallsBegin, StringComparison.Ordinal) ? s_fenced
        : s_bare;

    /// <summary>Whether a template shows tools to the model at all.</summary>
    public static bool ShowsTools(string template) => template.Contains("tools", StringComparison.Ordinal);

    /// <summary>What a reply must look like behind <see cref="Prompted"/>.</summary>
    public GrammarPart RequiredCalls(IReadOnlyList<ToolFunction> functions, bool parallel) => Required(functions, parallel ? MaximumRequiredCalls : 1);

    /// <summary>
    /// Whether calls that the model begins by itself are held to the functions. Where that would take its own spelling from the model,
    /// only what was promised is: strict functions.
    /// </summary>
    public bool HoldsTo(IReadOnlyList<ToolFunction> functions) => !SpellsOtherwise || functions.Any(function => function.IsStrict);

    /// <summary>
    /// What a reply must look like where the model decides: text and calls, or, where there is a form, either calls or the form.
    /// </summary>
    public GrammarPart FreeCalls(CallGrammar calls, GrammarPart? form)
    {
        var openings = Free(calls);
        return form is null
            ? new GrammarPart.Openings(openings, Lead, IsText: true)
            : new GrammarPart.Choice(form, new GrammarPart.Sequence(
                new GrammarPart.Choice([.. openings.Select(opening => new GrammarPart.Sequence(opening.Mark, opening.Part))]),
                new GrammarPart.Openings(openings, Lead ?? White, IsText: false)));
    }

    /// <summary>A parser for one reply.</summary>
    /// <param name="openingIsToken">The tokenizer has a token for <see cref="Opening"/>.</param>
    /// <param name="isRequired">The prompt ends with <see cref="Prompted"/>.</param>
    /// <param name="parallel">More than one call may come.</param>
    /// <param name="functions">Names of the functions there are.</param>
    public ToolCallParser CreateParser(bool openingIsToken, bool isRequired, bool parallel, IReadOnlyCollection<string> functions) =>
        Parser(openingIsToken && !isRequired, isRequired, parallel, functions);

    /// <summary>A fresh id for a call; Mistral's templates take nine characters and nothing else.</summary>
    public string NewId() => IdDigits is { } digits
        ? RandomNumberGenerator.GetHexString(digits, lowercase: true)
        : "call_" + RandomNumberGenerator.GetHexString(24, lowercase: true);

    /// <summary>A caller's id in the form that the template takes; equal ids stay equal.</summary>
    public string IdForTemplate(string id) => IdDigits is not { } digits || (id.Length == digits && id.All(char.IsAsciiLetterOrDigit))
        ? id
        : Convert.ToHexStringLower(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(id)))[..digits];

    /// <summary>Past calls as the family writes them, for templates that leave that to the caller.</summary>
    public string Write(IEnumerable<(string Name, string Arguments)> calls)
    {
        var objects = calls.Select(call => $$"""{"name": {{JsonSerializer.Serialize(call.Name, WireJsonContext.Default.String)}}, "arguments": {{call.Arguments}}}""");
        return $"{Opening}[{string.Join(", ", objects)}]{(this == s_listed ? ListEnd : "")}";
    }

    private static GrammarPart List(IReadOnlyList<ToolFunction> functions, int most) => new GrammarPart.Sequence(
        new GrammarPart.Literal("["), GrammarPart.Repeat(Object(functions, "arguments"), ", ", most), new GrammarPart.Literal("]"));

    private static GrammarPart.Choice Object(IReadOnlyList<ToolFunction> functions, string key) => new([.. functions.Select(function => new GrammarPart.Sequence(
        new GrammarPart.Literal($$"""{"name": "{{function.Name}}", "{{key}}": """), CallGrammar.Arguments(function), new GrammarPart.Literal("}")))]);

    private static GrammarPart.Sequence Fenced(CallGrammar calls)
    {
        var begin = calls.Mark(FencedCalls.CallBegin);
        var call = new GrammarPart.Sequence(
            new GrammarPart.Literal("function"),
            calls.Mark(FencedCalls.Separator),
            new GrammarPart.Choice([.. calls.Functions.Select(function =>
                new GrammarPart.Sequence(new GrammarPart.Literal(function.Name + FencedCalls.Fence), CallGrammar.Arguments(function)))]),
            new GrammarPart.Literal("\n```"),
            calls.Mark(FencedCalls.CallEnd));
        return new(begin, call, new GrammarPart.Openings([new Opening(begin, call)], White, IsText: false), CallGrammar.White, calls.Mark(FencedCalls.CallsEnd));
    }

    private static IReadOnlyList<Opening> Bare(CallGrammar calls)
    {
        var tag = new GrammarPart.Literal(BareCalls.PythonTag);
        return
        [
            new Opening(new GrammarPart.Literal("{"), calls.BehindBrace),
            new Opening(tag, calls.Object),
            .. calls.Mark(BareCalls.PythonTag) is GrammarPart.Token token ? new[] { new Opening(token, calls.Object) } : [],
        ];
    }
}
