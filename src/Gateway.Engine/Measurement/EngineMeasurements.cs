using System.Diagnostics;

namespace Gateway.Engine.Measurement;

/// <summary>
/// How long requests took and how large they were, by the definitions that vLLM uses, on one monotonic clock: queue = submitted
/// → admitted (last), prefill = admitted → first token, decode = first → last token, inference = admitted → last token.
/// Written by the compute thread, readable from any.
/// </summary>
public sealed class EngineMeasurements
{
    private static readonly double[] Seconds =
        [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560];

    private static readonly double[] TokenSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80];
    private static readonly double[] Tokens = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000];
    private static readonly double[] StepTokens = [1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384];
    private static readonly double[] Few = [1, 2, 5, 10, 20];

    private readonly long[] _ended = new long[Enum.GetValues<FinishReason>().Length];

    /// <summary>Submission to first token.</summary>
    public Distribution TimeToFirstToken { get; } = new(Seconds);

    /// <summary>Between successive steps that brought tokens.</summary>
    public Distribution InterTokenLatency { get; } = new(TokenSeconds);

    /// <summary>Per output token after the first, one value per request.</summary>
    public Distribution TimePerOutputToken { get; } = new(TokenSeconds);

    /// <summary>Submission to end.</summary>
    public Distribution EndToEnd { get; } = new(Seconds);

    /// <summary>Submission to admission.</summary>
    public Distribution Queue { get; } = new(Seconds);

    /// <summary>Admission to first token.</summary>
    public Distribution Prefill { get; } = new(Seconds);

    /// <summary>First to last token.</summary>
    public Distribution Decode { get; } = new(Seconds);

    /// <summary>Admission to last token.</summary>
    public Distribution Inference { get; } = new(Seconds);

    /// <summary>Prompt tokens of a request.</summary>
    public Distribution PromptTokens { get; } = new(Tokens);

    /// <summary>Tokens of a reply.</summary>
    public Distribution GenerationTokens { get; } = new(Tokens);

    /// <summary>The token limit of a reply.</summary>
    public Distribution MaximumTokens { get; } = new(Tokens);

    /// <summary>How often a request gave way.</summary>
    public Distribution Preemptions { get; } = new(Few);

    /// <summary>Tokens that a step computed.</summary>
    public Distribution TokensPerStep { get; } = new(StepTokens);

    /// <summary>Requests that ended in a way.</summary>
    public long Ended(FinishReason reason) => Volatile.Read(ref _ended[(int)reason]);

    /// <summary>Notes a request that has ended.</summary>
    internal void Note(Sequence sequence, FinishReason reason)
    {
        var output = sequence.Output;
        var now = Stopwatch.GetTimestamp();
        _ended[(int)(output.Satisfied ? FinishReason.Stop : reason)]++;
        PromptTokens.Observe(sequence.PromptLength);
        GenerationTokens.Observe(sequence.Sampled);
        MaximumTokens.Observe(sequence.MaximumTokens);
        Preemptions.Observe(sequence.Preemptions);
        EndToEnd.Observe(Elapsed(output.SubmittedAt, now));
        if (sequence.AdmittedAt is not 0 and var admitted)
        {
            Queue.Observe(Elapsed(output.SubmittedAt, admitted));
            if (sequence.FirstTokenAt is not 0 and var first)
            {
                TimeToFirstToken.Observe(Elapsed(output.SubmittedAt, first));
                Prefill.Observe(Elapsed(admitted, first));
                Decode.Observe(Elapsed(first, sequence.LastTokenAt));
                Inference.Observe(Elapsed(admitted, sequence.LastTokenAt));
                if (sequence.Sampled > 1)
                {
                    TimePerOutputToken.Observe(Elapsed(first, sequence.LastTokenAt) / (sequence.Sampled - 1));
                }
            }
        }
    }

    /// <summary>Seconds between two readings of the clock.</summary>
    internal static double Elapsed(long from, long to) => Math.Max(0, Stopwatch.GetElapsedTime(from, to).TotalSeconds);
}
