using System.Text.Json;

namespace Gateway.Model.Text;

/// <summary>
/// The one way from messages to token ids, for serving and for training. Special tokens come only from the template's
/// own text: the caller's values are encoded as plain text, whatever they spell. Immutable and thread-safe.
/// </summary>
public sealed class ChatRenderer
{
    private static readonly JsonElement s_none = JsonDocument.Parse("null").RootElement;
    private static readonly JsonElement s_true = JsonDocument.Parse("true").RootElement;
    private static readonly JsonElement s_false = JsonDocument.Parse("false").RootElement;

    private readonly Tokenizer? _tokenizer;
    private readonly TokenizerSettings _settings;

    /// <summary>Renders with a tokenizer's own settings; its <c>default</c> template unless another is given.</summary>
    /// <exception cref="TemplateException">There is no template, or it cannot be parsed.</exception>
    public ChatRenderer(Tokenizer tokenizer, ChatTemplate? template = null)
        : this(tokenizer.Settings, template) => _tokenizer = tokenizer;

    /// <summary>Renders text only, where there is no tokenizer.</summary>
    /// <exception cref="TemplateException">There is no template, or it cannot be parsed.</exception>
    public ChatRenderer(TokenizerSettings settings, ChatTemplate? template = null)
    {
        _settings = settings;
        Template = template ?? ChatTemplate.Parse(settings.ChatTemplate ?? throw new TemplateException(
            TemplateErrorKind.Syntax, "the model has no chat template; add chat_template.jinja to its folder."));
    }

    /// <summary>The template.</summary>
    public ChatTemplate Template { get; }

    /// <summary>The text of a conversation.</summary>
    /// <exception cref="TemplateException">The template failed or refused the conversation.</exception>
    public string RenderText(ChatInput input) => RenderTemplate(input).Text;

    /// <summary>The text and ids of a conversation.</summary>
    /// <exception cref="TemplateException">The template failed or refused the conversation.</exception>
    public RenderedPrompt RenderPrompt(ChatInput input)
    {
        var rendered = RenderTemplate(input);
        return new RenderedPrompt(rendered.Text, Tokenizer.Encode(rendered.Text, [.. rendered.CallerSpans]));
    }

    /// <summary>
    /// The ids of a conversation and which of them are trained: 1 renders, 2 encodes the text once, 3 finds the spans
    /// the model writes, 4 masks the tokens that begin in them.
    /// </summary>
    /// <remarks>
    /// A token that begins before a span and reaches into it stays unmasked: while serving, the prompt ends at the
    /// span's start, so the model never writes that token.
    /// </remarks>
    /// <exception cref="TemplateException">The template failed or refused the conversation.</exception>
    public RenderedChat Render(ChatInput input)
    {
        // 1, 2
        var rendered = RenderTemplate(input);
        var encoded = Tokenizer.EncodeWithOffsets(rendered.Text, [.. rendered.CallerSpans]);
        var mask = new bool[encoded.Ids.Length];

        // 3
        var spans = rendered.GenerationSpans;
        if (!Template.HasGenerationBlocks && !TryFindTurns(input, rendered.Text, out spans, out var rejection))
            return new RenderedChat(rendered.Text, encoded.Ids, mask, rejection);

        // 4
        foreach (var span in spans)
            MaskSpan(span, encoded, rendered.Text, mask);
        return new RenderedChat(rendered.Text, encoded.Ids, mask);
    }

    private Tokenizer Tokenizer =>
        _tokenizer ?? throw new InvalidOperationException("This renderer has no tokenizer; use RenderText or give it one.");

    private RenderedTemplate RenderTemplate(ChatInput input)
    {
        var variables = new List<KeyValuePair<string, JsonElement>>();
        if (input.TemplateVariables is { ValueKind: JsonValueKind.Object } extra)
            variables.AddRange(extra.EnumerateObject().Select(v => KeyValuePair.Create(v.Name, v.Value)));
        foreach (var reserved in new[] { "bos_token", "eos_token", "pad_token", "unk_token" })
            variables.RemoveAll(v => v.Key == reserved);
        if (!variables.Exists(v => v.Key == "documents"))
            variables.Add(new("documents", s_none));
        variables.Add(new("messages", input.Messages));
        variables.Add(new("tools", input.Tools ?? s_none));
        variables.Add(new("add_generation_prompt", input.AddGenerationPrompt ? s_true : s_false));
        return Template.Render(
            variables,
            [
                new("bos_token", _settings.BeginOfTextToken),
                new("eos_token", _settings.EndOfTextToken),
                new("pad_token", _settings.PaddingToken),
                new("unk_token", _settings.UnknownToken),
            ],
            input.Now);
    }

    /// <summary>
    /// For a template without generation blocks: each assistant turn is what it adds to the text that ends with the
    /// generation prompt before it. That only works where a longer conversation begins with the shorter one's text.
    /// </summary>
    private bool TryFindTurns(ChatInput input, string text, out IReadOnlyList<TextSpan> spans, out string? rejection)
    {
        var turns = new List<TextSpan>();
        spans = turns;
        rejection = null;
        if (input.Messages.ValueKind != JsonValueKind.Array)
            return true;
        for (var turn = 0; turn < input.Messages.GetArrayLength(); turn++)
        {
            if (!IsAssistant(input.Messages[turn]))
                continue;
            var (before, after) = (RenderFirst(input, turn, true), RenderFirst(input, turn + 1, false));
            if (before is null || after is null
                || !text.StartsWith(after, StringComparison.Ordinal) || !after.StartsWith(before, StringComparison.Ordinal))
            {
                rejection = $"the template writes message {turn} differently inside a longer conversation; add generation blocks to it, or shorten the conversation to end there.";
                return false;
            }

            turns.Add(new TextSpan(before.Length, after.Length - before.Length));
        }

        return true;
    }

    /// <summary>The text of the first messages, or null where the template refuses them.</summary>
    private string? RenderFirst(ChatInput input, int count, bool addGenerationPrompt)
    {
        var messages = FirstOf(input.Messages, count);
        try
        {
            return RenderTemplate(input with { Messages = messages, AddGenerationPrompt = addGenerationPrompt }).Text;
        }
        catch (TemplateException)
        {
            return null;
        }
    }

    private static JsonElement FirstOf(JsonElement messages, int count)
    {
        using var document = JsonDocument.Parse("[" + string.Join(',', messages.EnumerateArray().Take(count).Select(m => m.GetRawText())) + "]");
        return document.RootElement.Clone();
    }

    private static bool IsAssistant(JsonElement message) =>
        message.ValueKind == JsonValueKind.Object
        && message.TryGetProperty("role", out var role) && role.ValueKind == JsonValueKind.String && role.ValueEquals("assistant");

    private void MaskSpan(TextSpan span, EncodedText encoded, string text, bool[] mask)
    {
        var (behind, lastSpecial) = (0, -1);
        for (var i = 0; i < mask.Length; i++)
        {
            var offset = encoded.Offsets[i];
            if (offset.Start < span.Start || offset.Start >= span.End)
                continue;
            behind = i + 1;
            mask[i] = true;
            if (Tokenizer.IsSpecial(encoded.Ids[i]))
                lastSpecial = i;
        }

        // Found by difference, a turn ends with the line break behind its end token, which the model never writes.
        if (Template.HasGenerationBlocks || lastSpecial < 0)
            return;
        var rest = text.AsSpan(encoded.Offsets[lastSpecial].End, span.End - encoded.Offsets[lastSpecial].End);
        if (rest.IsWhiteSpace())
            mask.AsSpan((lastSpecial + 1)..behind).Clear();
    }
}
