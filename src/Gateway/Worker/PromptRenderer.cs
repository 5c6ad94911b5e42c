using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Model.Text;
using Gateway.Worker.ToolCalls;

namespace Gateway.Worker;

/// <summary>From a checked request to prompt ids, with the request's template or the model's own. Thread-safe.</summary>
internal sealed class PromptRenderer
{
    // A deployment's contract sends the same template with every request; parsing it once is enough.
    private const int MaximumTemplates = 64;

    private readonly Tokenizer _tokenizer;
    private readonly TimeProvider _clock;
    private readonly ChatRenderer? _own;
    private readonly ConcurrentDictionary<string, ChatRenderer> _given = new(StringComparer.Ordinal);

    /// <summary>Parses the model's own template, if it has one.</summary>
    /// <exception cref="TemplateException">The model's template cannot be parsed.</exception>
    public PromptRenderer(Tokenizer tokenizer, TimeProvider clock)
    {
        (_tokenizer, _clock) = (tokenizer, clock);
        _own = tokenizer.Settings.ChatTemplate is null ? null : new ChatRenderer(tokenizer);
    }

    /// <summary>
    /// Renders the messages. <c>developer</c> becomes <c>system</c> when the template does not know that role. What the template
    /// refuses is an error of the messages; what is wrong with a given template is an error of the template.
    /// </summary>
    public bool TryRender(
        ChatCompletionRequest request, [NotNullWhen(true)] out RenderedPrompt? prompt, [NotNullWhen(true)] out ToolDialect? dialect, [NotNullWhen(false)] out ApiError? error)
    {
        (prompt, dialect) = (null, null);
        try
        {
            if (RendererFor(request) is not { } renderer)
            {
                error = ApiError.InvalidValue("chat_template", "the model has no chat template of its own, so the request must give one.");
                return false;
            }

            var template = renderer.Template.Source;
            if (request.Tools is not null && !ToolDialect.ShowsTools(template))
            {
                error = ApiError.UnsupportedParameter("tools", "The model's chat template shows it no tools: use another model, or a contract with a chat template that does.");
                return false;
            }

            dialect = ToolDialect.Of(template);
            prompt = renderer.RenderPrompt(Input(request, template, dialect));
            if (request.ToolMode == ToolMode.Required)
            {
                prompt = new RenderedPrompt(prompt.Text + dialect.Prompted, [.. prompt.Ids, .. _tokenizer.Encode(dialect.Prompted)]);
            }

            error = prompt.Ids.Length > 0 ? null : ApiError.InvalidValue("messages", "the chat template makes an empty prompt of them.");
        }
        catch (TemplateException failure)
        {
            var isOfTemplate = request.ChatTemplate is not null && failure.Kind != TemplateErrorKind.Raised;
            error = ApiError.InvalidValue(isOfTemplate ? "chat_template" : "messages", $"the chat template does not render: {failure.Message}");
        }

        return error is null && prompt is not null && dialect is not null;
    }

    /// <summary>The text that token ids stand for, with its special tokens.</summary>
    public string TextOf(IReadOnlyList<int> ids) => _tokenizer.Decode([.. ids], skipSpecialTokens: false);

    private ChatRenderer? RendererFor(ChatCompletionRequest request)
    {
        if (request.ChatTemplate is not { } source)
        {
            return _own;
        }

        if (_given.TryGetValue(source, out var known))
        {
            return known;
        }

        if (_given.Count >= MaximumTemplates)
        {
            _given.Clear();
        }

        return _given.GetOrAdd(source, new ChatRenderer(_tokenizer, ChatTemplate.Parse(source)));
    }

    private ChatInput Input(ChatCompletionRequest request, string template, ToolDialect dialect) =>
        new()
        {
            Messages = TemplateMessages.Of(request.Messages, template, dialect),
            Tools = request.Tools,
            AddGenerationPrompt = request.AddGenerationPrompt,
            TemplateVariables = request.TemplateVariables is { } variables
                ? JsonSerializer.SerializeToElement(variables, WireJsonContext.Default.IReadOnlyDictionaryStringJsonElement)
                : null,
            Now = _clock.GetUtcNow(),
        };
}
