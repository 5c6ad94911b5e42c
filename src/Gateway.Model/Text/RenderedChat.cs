namespace Gateway.Model.Text;

/// <summary>A conversation ready for the model.</summary>
/// <param name="Text">The rendered text.</param>
/// <param name="Ids">Its token ids.</param>
public sealed record RenderedPrompt(string Text, int[] Ids);

/// <summary>A conversation ready for training.</summary>
/// <param name="Text">The rendered text.</param>
/// <param name="Ids">Its token ids.</param>
/// <param name="Mask">True for tokens the model learns to write: assistant content and the end of its turn.</param>
/// <param name="Rejection">Why no mask could be made and the row must not be trained on, or null.</param>
public sealed record RenderedChat(string Text, int[] Ids, bool[] Mask, string? Rejection = null);
