using System.Diagnostics.CodeAnalysis;
using Gateway.Api.Wire;
using Gateway.Model.Text;
using Gateway.Worker;

namespace Gateway.FrontDoor;

/// <summary>
/// Shows the prompt a worker would make of a request, without asking one: the workers' own renderer on the base model's
/// tokenizer, which is read when it is first needed. Thread-safe.
/// </summary>
public sealed class PromptPreview
{
    private readonly Lazy<PromptRenderer> _renderer;

    private PromptPreview(Func<PromptRenderer> renderer) => _renderer = new(renderer);

    /// <summary>Renders with the tokenizer in a model folder.</summary>
    public static PromptPreview Of(string modelDirectory, TimeProvider clock) => new(() => new PromptRenderer(Tokenizer.Load(modelDirectory), clock));

    /// <summary>Renders with what the worker in this process has loaded already.</summary>
    public static PromptPreview Of(WorkerRuntime runtime) => new(() => runtime.Prompts);

    /// <summary>The text and ids, or what is wrong with the messages or the template.</summary>
    public bool TryRender(ChatCompletionRequest request, [NotNullWhen(true)] out RenderedPrompt? prompt, [NotNullWhen(false)] out ApiError? error) =>
        _renderer.Value.TryRender(request, out prompt, out _, out error);

    /// <summary>The text that token ids stand for; ids that the model does not have stand for none.</summary>
    public string TextOf(IReadOnlyList<int> ids) => _renderer.Value.TextOf(ids);
}
