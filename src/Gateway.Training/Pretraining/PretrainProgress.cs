namespace Gateway.Training.Pretraining;

/// <summary>A report from a pre-training run.</summary>
/// <param name="Stage">What is being done: reading, vocabulary, encoding, training or evaluating.</param>
/// <param name="Done">Units done in this stage.</param>
/// <param name="Total">Units in this stage, or 0 when unknown.</param>
/// <param name="Note">A figure worth showing, such as loss and tokens per second.</param>
public sealed record PretrainProgress(string Stage, long Done, long Total, string Note = "");

/// <summary>One row of the loss curve.</summary>
public sealed record LossPoint(int Step, long Tokens, double Loss, double LearningRate, double GradientNorm, double TokensPerSecond, double? ValidationBitsPerByte);
