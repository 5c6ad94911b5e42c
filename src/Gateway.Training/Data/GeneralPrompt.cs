namespace Gateway.Training.Data;

/// <summary>A general prompt the frozen base answers for replay; ships with the starter.</summary>
public sealed record GeneralPrompt(string Prompt);
