using Gateway.Api.Wire;
using Gateway.Domain.Interactions;
using Gateway.Guards;

namespace Gateway.FrontDoor;

/// <summary>Has guards look at prompts that no template renders; token ids are looked at as the text that they stand for.</summary>
internal static class GuardedPrompts
{
    /// <summary>The prompts as they may go on, and whether they may at all. One that a guard changed goes on as text.</summary>
    public static async Task<(IReadOnlyList<TextPrompt> Prompts, bool Blocked)> CheckAsync(
        GuardSession guards, IReadOnlyList<TextPrompt> prompts, PromptPreview preview, CancellationToken cancellationToken)
    {
        var texts = prompts.Select(prompt => new ChatMessage { Role = "user", Content = prompt.Text ?? preview.TextOf(prompt.Ids!) }).ToList();
        var (guarded, blocked) = await guards.CheckMessagesAsync(texts, cancellationToken);
        return ([.. prompts.Select((prompt, index) => guarded[index].Content == texts[index].Content ? prompt : new TextPrompt(guarded[index].Content, null))], blocked);
    }
}
