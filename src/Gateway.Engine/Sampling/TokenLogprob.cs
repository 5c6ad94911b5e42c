namespace Gateway.Engine.Sampling;

/// <summary>A token and the logarithm of its probability in the model's own distribution, before penalties, masks and temperature.</summary>
public readonly record struct TokenLogprob(int Token, float Logprob);
