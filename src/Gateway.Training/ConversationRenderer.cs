using System.Text.Json;
using Gateway.Domain.Interactions;
using Gateway.Domain.Json;
using Gateway.Model.Text;

namespace Gateway.Training;

/// <summary>
/// The serving renderer over the project's messages: what is trained and evaluated is rendered by the same code, with the same
/// template, as what is served. Immutable and thread-safe.
/// </summary>
public sealed class ConversationRenderer
{
    private readonly ChatRenderer _renderer;
    private readonly DateTimeOffset _now;

    /// <summary>
    /// Renders with the tokenizer in <paramref name="modelDirectory"/> and <paramref name="template"/>, or the model's own
    /// template when null; <paramref name="now"/> is what a template that asks for the date is told.
    /// </summary>
    /// <exception cref="TokenizerException">The tokenizer cannot be used.</exception>
    /// <exception cref="TemplateException">The template cannot be used.</exception>
    public ConversationRenderer(string modelDirectory, string? template, DateTimeOffset now)
    {
        Tokenizer = Tokenizer.Load(modelDirectory);
        _renderer = new ChatRenderer(Tokenizer, template is null ? null : ChatTemplate.Parse(template));
        _now = now;
    }

    /// <summary>The tokenizer.</summary>
    public Tokenizer Tokenizer { get; }

    /// <summary>The ids that end where the assistant begins to write.</summary>
    /// <exception cref="TemplateException">The template refuses the conversation.</exception>
    public int[] RenderPrompt(IReadOnlyList<ChatMessage> messages, JsonElement? tools = null) =>
        _renderer.RenderPrompt(Input(messages, tools) with { AddGenerationPrompt = true }).Ids;

    /// <summary>The ids of a whole conversation with the mask of what the assistant writes.</summary>
    /// <exception cref="TemplateException">The template refuses the conversation.</exception>
    public RenderedChat Render(IReadOnlyList<ChatMessage> messages, JsonElement? tools = null) => _renderer.Render(Input(messages, tools));

    private ChatInput Input(IReadOnlyList<ChatMessage> messages, JsonElement? tools) => new()
    {
        Tools = tools,
        Messages = JsonSerializer.SerializeToElement(messages, DomainJson.Default.IReadOnlyListChatMessage),
        Now = _now,
    };
}
