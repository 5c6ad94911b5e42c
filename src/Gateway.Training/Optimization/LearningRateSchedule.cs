namespace Gateway.Training.Optimization;

/// <summary>
/// Linear warm-up followed by a cosine to a floor. Step t of S with w warm-up steps: peak·(t+1)/w during warm-up, then
/// floor + (peak − floor)·½(1 + cos π(t−w)/(S−w)).
/// </summary>
public sealed record LearningRateSchedule
{
    /// <summary>Highest learning rate.</summary>
    public required double Peak { get; init; }

    /// <summary>Number S of optimiser steps.</summary>
    public required int Steps { get; init; }

    /// <summary>Number w of warm-up steps, at most <see cref="Steps"/>.</summary>
    public required int WarmupSteps { get; init; }

    /// <summary>Learning rate approached at the end.</summary>
    public double Floor { get; init; }

    /// <summary>The learning rate of step <paramref name="step"/>, counted from 0.</summary>
    public double At(int step)
    {
        if (step < WarmupSteps)
        {
            return Peak * (step + 1) / WarmupSteps;
        }

        var progress = Math.Min(1, (double)(step - WarmupSteps) / Math.Max(1, Steps - WarmupSteps));
        return Floor + ((Peak - Floor) * 0.5 * (1 + Math.Cos(Math.PI * progress)));
    }
}
