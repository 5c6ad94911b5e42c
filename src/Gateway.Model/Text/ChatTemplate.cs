using System.Text.Json;
using Gateway.Model.Text.Templates;

namespace Gateway.Model.Text;

/// <summary>A rendered template: the text, which parts of it the caller wrote, and which the model shall learn to write.</summary>
/// <param name="Text">The text.</param>
/// <param name="CallerSpans">Parts that come from messages, tools or other values of the caller, in order.</param>
/// <param name="GenerationSpans">Parts inside generation blocks, in order.</param>
public sealed record RenderedTemplate(string Text, IReadOnlyList<TextSpan> CallerSpans, IReadOnlyList<TextSpan> GenerationSpans);

/// <summary>
/// A chat template in the Jinja subset that published models use, rendered as Hugging Face does: trim_blocks and
/// lstrip_blocks on, values immutable, nothing escaped. Immutable and thread-safe.
/// </summary>
public sealed class ChatTemplate
{
    private readonly Body _body;
    private readonly TemplateLimits _limits;

    private ChatTemplate(string source, TemplateLimits limits)
    {
        Source = source;
        _limits = limits;
        (_body, HasGenerationBlocks) = TemplateParser.Parse(source);
    }

    /// <summary>The source it was parsed from.</summary>
    public string Source { get; }

    /// <summary>Whether the template marks what the model writes with generation blocks.</summary>
    public bool HasGenerationBlocks { get; }

    /// <summary>Parses a template.</summary>
    /// <exception cref="TemplateException">The source is broken or uses an unsupported construct, named with its line.</exception>
    public static ChatTemplate Parse(string source, TemplateLimits? limits = null) => new(source, limits ?? TemplateLimits.Default);

    /// <summary>Renders with variables of the caller and of the template's owner; the latter are trusted and win.</summary>
    /// <param name="callerVariables">Messages, tools and the like; their strings are reported as caller spans.</param>
    /// <param name="trustedText">Texts such as bos_token; null means the variable is not defined.</param>
    /// <param name="now">What <c>strftime_now</c> tells.</param>
    /// <exception cref="TemplateException">The template failed, refused the conversation or ran over a limit.</exception>
    public RenderedTemplate Render(
        IEnumerable<KeyValuePair<string, JsonElement>> callerVariables,
        IEnumerable<KeyValuePair<string, string?>> trustedText,
        DateTimeOffset now)
    {
        var state = new RenderState(_limits, now);
        Globals.AddTo(state.Scope);
        foreach (var (name, value) in callerVariables)
            state.Scope.Set(name, Value.FromCaller(value));
        foreach (var (name, text) in trustedText)
        {
            if (text is not null)
                state.Scope.Set(name, Value.Of(text));
        }

        _body.Run(state);
        var output = state.Output.ToText();
        return new RenderedTemplate(output.Text, Spans(output, Origin.Caller), Spans(output, Origin.Generation));
    }

    private static List<TextSpan> Spans(MarkedText text, Origin origin)
    {
        var spans = new List<TextSpan>();
        foreach (var mark in text.Marks.Where(m => m.Origin.HasFlag(origin)))
        {
            if (spans.Count > 0 && spans[^1].End == mark.Start)
                spans[^1] = spans[^1] with { Length = spans[^1].Length + mark.Length };
            else
                spans.Add(new TextSpan(mark.Start, mark.Length));
        }

        return spans;
    }
}
