using System.Runtime.InteropServices;
using Gateway.Model.Network;
using Gateway.Model.Numerics;
using Gateway.Model.Weights;
using Gateway.Training.Data;
using Gateway.Training.Optimization;

namespace Gateway.Training.Sft;

/// <summary>One point of a run's loss curve, written after each epoch.</summary>
public sealed record SftEpoch(int Epoch, int Step, double TrainLoss, double ValidationLoss, double GradientNorm, double TokensPerSecond);

/// <summary>How a fine-tuning ended.</summary>
/// <param name="BestEpoch">The epoch whose weights are kept.</param>
/// <param name="BestValidationLoss">Its validation loss, nats per target token.</param>
/// <param name="StoppedEarly">True when patience ran out before the last epoch.</param>
/// <param name="Epochs">The curve.</param>
public sealed record SftResult(int BestEpoch, double BestValidationLoss, bool StoppedEarly, IReadOnlyList<SftEpoch> Epochs);

/// <summary>The run was aborted by a watchdog; the message names it. Nothing is published.</summary>
public sealed class TrainingAbortedException(string message) : Exception(message);

/// <summary>
/// LoRA supervised fine-tuning on a frozen base: response-only loss normalised over the whole batch, AdamW, warm-up and
/// cosine, clipping, early stopping on validation loss with the best weights kept. A run killed at any point continues from
/// its checkpoint and ends with the same bits, because data order comes from the seed and arithmetic does not depend on
/// threads.
/// </summary>
public sealed class SftTrainer(SftSettings settings, int seed, double peakLearningRate, TimeProvider clock)
{
    private const int StepsPerCheckpoint = 10;
    private const int DivergedEvaluations = 3;

    /// <summary>Reports steps done and steps in all.</summary>
    public required Action<int, int, double> OnStep { get; init; }

    /// <summary>
    /// Trains <paramref name="adapter"/> in place and leaves the best epoch's weights in it.
    /// </summary>
    /// <exception cref="TrainingAbortedException">Loss or gradient not finite, or the validation loss diverged.</exception>
    public SftResult Train(
        TrainingPass pass,
        LoraParameters adapter,
        Compute compute,
        IReadOnlyList<EncodedExample> train,
        ReplayMixture replay,
        IReadOnlyList<EncodedExample> validation,
        string checkpointFile,
        CancellationToken cancellationToken)
    {
        var rowsPerEpoch = train.Count + replay.RowsPerEpoch;
        var stepsPerEpoch = (rowsPerEpoch + settings.BatchRows - 1) / settings.BatchRows;
        var steps = stepsPerEpoch * settings.MaxEpochs;
        var schedule = new LearningRateSchedule
        {
            Peak = peakLearningRate,
            Steps = steps,
            WarmupSteps = Math.Max(1, (int)(steps * settings.WarmupShare)),
        };
        using var optimizer = new AdamW(adapter.All, new AdamWSettings { MaxGradientNorm = settings.MaxGradientNorm }, compute);
        var state = new SftState(adapter);
        if (File.Exists(checkpointFile))
        {
            state.Load(checkpointFile, optimizer);
        }

        var validationBatch = SftBatch.Pack(validation);
        if (state.InitialLoss is null)
        {
            state.InitialLoss = MeanLoss(pass, validationBatch, adapter);
        }

        var started = clock.GetTimestamp();
        var tokensSinceStart = 0L;
        while (state.Step < steps && !state.Finished)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var epoch = state.Step / stepsPerEpoch;
            var rows = Shuffled([.. train, .. replay.Epoch(epoch)], epoch)
                .Skip(state.Step % stepsPerEpoch * settings.BatchRows).Take(settings.BatchRows).ToList();

            // 1. Gradients. Rows of one weight go through the network together; all share the batch's normalisation.
            var weightSum = rows.Sum(row => row.Weight * row.TargetCount);
            var loss = 0.0;
            foreach (var group in rows.GroupBy(row => row.Weight))
            {
                var batch = SftBatch.Pack([.. group]);
                loss += group.Key * pass.Run(batch, (float)(group.Key / weightSum), adapter, full: null) / weightSum;
                tokensSinceStart += batch.Tokens.Length;
            }

            // 2. Update.
            var norm = optimizer.Step(schedule.At(state.Step));
            if (!double.IsFinite(loss) || !double.IsFinite(norm))
            {
                throw new TrainingAbortedException($"nan_watchdog: loss {loss} or gradient norm {norm} is not finite at step {state.Step}; lower the learning rate");
            }

            state.Step++;
            state.EpochLoss += loss;
            OnStep(state.Step, steps, loss);

            // 3. At the end of an epoch: validation, best weights, early stopping.
            if (state.Step % stepsPerEpoch == 0)
            {
                var validationLoss = MeanLoss(pass, validationBatch, adapter);
                var rate = tokensSinceStart / Math.Max(1e-9, clock.GetElapsedTime(started).TotalSeconds);
                state.EndEpoch(new SftEpoch(epoch + 1, state.Step, state.EpochLoss / stepsPerEpoch, validationLoss, norm, rate), settings.Patience);
                if (state.Epochs.Count >= DivergedEvaluations
                    && state.Epochs.TakeLast(DivergedEvaluations).All(point => point.ValidationLoss > 2 * state.InitialLoss))
                {
                    throw new TrainingAbortedException(
                        $"loss_watchdog: validation loss above twice its start ({state.InitialLoss:F3}) for {DivergedEvaluations} epochs; lower the learning rate");
                }
            }

            if (state.Step % StepsPerCheckpoint == 0 || state.Step % stepsPerEpoch == 0)
            {
                state.Save(checkpointFile, optimizer);
            }
        }

        state.RestoreBest();
        return new SftResult(state.BestEpoch, state.BestLoss, state.Step < steps, state.Epochs);
    }

    private static double MeanLoss(TrainingPass pass, TrainingBatch batch, LoraParameters adapter) =>
        pass.Evaluate(batch, adapter) / Math.Max(1, batch.Labels.Count(label => label >= 0));

    private EncodedExample[] Shuffled(EncodedExample[] rows, int epoch)
    {
        new Random(unchecked((seed * 7919) + epoch)).Shuffle(rows);
        return rows;
    }

    /// <summary>Everything a checkpoint holds besides the optimiser.</summary>
    private sealed class SftState(LoraParameters adapter)
    {
        private float[]? _best;

        public int Step { get; set; }

        public double EpochLoss { get; set; }

        public double? InitialLoss { get; set; }

        public int BestEpoch { get; private set; }

        public double BestLoss { get; private set; } = double.PositiveInfinity;

        public bool Finished { get; private set; }

        public List<SftEpoch> Epochs { get; } = [];

        public void EndEpoch(SftEpoch epoch, int patience)
        {
            Epochs.Add(epoch);
            EpochLoss = 0;
            if (epoch.ValidationLoss < BestLoss)
            {
                (BestLoss, BestEpoch) = (epoch.ValidationLoss, epoch.Epoch);
                _best = Flatten();
            }

            Finished = epoch.Epoch - BestEpoch >= patience;
        }

        public void RestoreBest()
        {
            if (_best is null)
            {
                return;
            }

            var at = 0;
            foreach (var parameter in adapter.All)
            {
                _best.AsSpan(at, parameter.Value.Span.Length).CopyTo(parameter.Value.Span);
                at += parameter.Value.Span.Length;
            }
        }

        public void Save(string file, AdamW optimizer) => DurableFile.Write(file, stream =>
        {
            using var writer = new BinaryWriter(stream, System.Text.Encoding.UTF8, leaveOpen: true);
            writer.Write(Step);
            writer.Write(EpochLoss);
            writer.Write(InitialLoss!.Value);
            writer.Write(BestEpoch);
            writer.Write(BestLoss);
            writer.Write(Finished);
            writer.Write(Epochs.Count);
            foreach (var epoch in Epochs)
            {
                writer.Write(epoch.Epoch);
                writer.Write(epoch.Step);
                writer.Write(epoch.TrainLoss);
                writer.Write(epoch.ValidationLoss);
                writer.Write(epoch.GradientNorm);
                writer.Write(epoch.TokensPerSecond);
            }

            writer.Write(MemoryMarshal.AsBytes<float>(Flatten()));
            writer.Write(_best is not null);
            if (_best is not null)
            {
                writer.Write(MemoryMarshal.AsBytes<float>(_best));
            }

            optimizer.Save(writer);
        });

        public void Load(string file, AdamW optimizer)
        {
            using var reader = new BinaryReader(File.OpenRead(file));
            Step = reader.ReadInt32();
            EpochLoss = reader.ReadDouble();
            InitialLoss = reader.ReadDouble();
            BestEpoch = reader.ReadInt32();
            BestLoss = reader.ReadDouble();
            Finished = reader.ReadBoolean();
            for (var count = reader.ReadInt32(); count > 0; count--)
            {
                Epochs.Add(new SftEpoch(
                    reader.ReadInt32(), reader.ReadInt32(), reader.ReadDouble(), reader.ReadDouble(), reader.ReadDouble(), reader.ReadDouble()));
            }

            foreach (var parameter in adapter.All)
            {
                reader.BaseStream.ReadExactly(MemoryMarshal.AsBytes(parameter.Value.Span));
            }

            if (reader.ReadBoolean())
            {
                _best = Flatten();
                reader.BaseStream.ReadExactly(MemoryMarshal.AsBytes(_best.AsSpan()));
            }

            optimizer.Load(reader);
        }

        private float[] Flatten()
        {
            var flat = new float[adapter.All.Sum(parameter => parameter.Value.Span.Length)];
            var at = 0;
            foreach (var parameter in adapter.All)
            {
                parameter.Value.Span.CopyTo(flat.AsSpan(at));
                at += parameter.Value.Span.Length;
            }

            return flat;
        }
    }
}
