using Gateway.Model.Lora;
using Gateway.Model.Network;
using Gateway.Model.Numerics;
using Gateway.Model.Weights;
using Xunit;

namespace Gateway.UnitTests.Model.Network;

/// <summary>Losses, gradients and optimiser steps against numbers of an independent float64 implementation.</summary>
public sealed unsafe class GoldenTrainingTests
{
    [Theory]
    [InlineData("llama")]
    [InlineData("qwen2")]
    public void Adapter_gradients_losses_and_five_steps_match(string variant)
    {
        using var golden = new Golden(variant);
        using var adapter = LoraParameters.Load(Path.Combine(golden.Folder, "adapter"), golden.Model.Config, new AdapterLimits());
        using var pass = new TrainingPass(golden.Model);
        using var optimiser = new GoldenOptimiser(golden.Compute, adapter.All);
        var (batch, train) = (golden.TrainingBatch(), golden.Numbers.GetProperty("train"));
        var labels = batch.Labels.Count(label => label != TrainingBatch.NoLabel);
        Assert.Equal(train.GetProperty("unmasked_target_tokens").GetInt32(), labels);

        for (var step = 0; step < 5; step++)
        {
            var loss = pass.Run(batch, 1f / labels, adapter, full: null) / labels;
            Assert.Equal(train.GetProperty("loss_before_step")[step].GetDouble(), loss, 1e-5);
            if (step == 0)
            {
                AssertGradients(golden, "grad.", adapter.All);
            }

            var norm = optimiser.Step();
            Assert.Equal(train.GetProperty("grad_norm_before_clip")[step].GetDouble(), norm, 1e-4);
            if (step is 0 or 4)
            {
                AssertValues(golden, $"step{step + 1}.", adapter.All);
            }
        }

        Assert.Equal(train.GetProperty("loss_after_step_5").GetDouble(), pass.Evaluate(batch, adapter) / labels, 1e-5);
    }

    [Theory]
    [InlineData("llama")]
    [InlineData("qwen2")]
    public void Fresh_adapter_changes_nothing_and_its_first_step_matches(string variant)
    {
        using var golden = new Golden(variant);
        using var adapter = LoraParameters.Load(Path.Combine(golden.Folder, "adapter"), golden.Model.Config, new AdapterLimits());
        using var pass = new TrainingPass(golden.Model);
        using var optimiser = new GoldenOptimiser(golden.Compute, adapter.All);
        foreach (var parameter in adapter.All.Where(parameter => parameter.Name.Contains("lora_B", StringComparison.Ordinal)))
        {
            parameter.Value.Span.Clear();
        }

        var batch = golden.TrainingBatch();
        var labels = batch.Labels.Count(label => label != TrainingBatch.NoLabel);
        var expected = golden.Numbers.GetProperty("train_fresh_B_zero");
        var loss = pass.Run(batch, 1f / labels, adapter, full: null);
        Assert.Equal(pass.Evaluate(batch, adapter: (LoraWeights?)null), loss, 1e-9);
        Assert.Equal(expected.GetProperty("loss_before_step")[0].GetDouble(), loss / labels, 1e-5);
        foreach (var parameter in adapter.All)
        {
            if (parameter.Name.Contains("lora_A", StringComparison.Ordinal))
            {
                Assert.All(parameter.Gradient.Span.ToArray(), value => Assert.Equal(0, value));
            }
            else
            {
                Golden.AssertGradient(golden.Floats($"fresh.grad.{parameter.Name}"), parameter.Gradient.Span, parameter.Name);
            }
        }

        Assert.Equal(expected.GetProperty("grad_norm_before_clip")[0].GetDouble(), optimiser.Step(), 1e-4);
        AssertValues(golden, "fresh.step1.", adapter.All);
    }

    [Theory]
    [InlineData("llama")]
    [InlineData("qwen2")]
    public void Gradients_of_every_base_weight_match(string variant)
    {
        using var golden = new Golden(variant);
        using var parameters = TransformerParameters.FromCheckpoint(Path.Combine(golden.Folder, "model"));
        using var model = Transformer.Create(parameters, golden.Compute);
        using var pass = new TrainingPass(model);
        var batch = golden.TrainingBatch();
        var labels = batch.Labels.Count(label => label != TrainingBatch.NoLabel);
        var loss = pass.Run(batch, 1f / labels, adapter: null, parameters) / labels;
        Assert.Equal(golden.Numbers.GetProperty("full_grad").GetProperty("loss").GetDouble(), loss, 1e-5);
        AssertGradients(golden, "full_grad.", parameters.All);
    }

    [Theory]
    [InlineData("llama")]
    [InlineData("qwen2")]
    public void Preference_gradients_match(string variant)
    {
        using var golden = new Golden(variant);
        using var adapter = LoraParameters.Load(Path.Combine(golden.Folder, "adapter"), golden.Model.Config, new AdapterLimits());
        using var pass = new TrainingPass(golden.Model);
        var expected = golden.Numbers.GetProperty("dpo");
        int[] Ids(string name) => [.. expected.GetProperty(name).EnumerateArray().Select(id => id.GetInt32())];
        var chosen = Completion(Ids("prompt_ids"), Ids("chosen_ids"));
        var rejected = Completion(Ids("prompt_ids"), Ids("rejected_ids"));
        var (policyChosen, policyRejected) = (-pass.Evaluate(chosen, adapter), -pass.Evaluate(rejected, adapter));
        var (referenceChosen, referenceRejected) = (-pass.Evaluate(chosen, (LoraWeights?)null), -pass.Evaluate(rejected, (LoraWeights?)null));
        Assert.Equal(expected.GetProperty("policy_chosen_logp").GetDouble(), policyChosen, 1e-3);
        Assert.Equal(expected.GetProperty("reference_rejected_logp").GetDouble(), referenceRejected, 1e-3);

        var beta = expected.GetProperty("beta").GetDouble();
        var margin = beta * (policyChosen - referenceChosen - (policyRejected - referenceRejected));
        Assert.Equal(expected.GetProperty("loss").GetDouble(), Math.Log(1 + Math.Exp(-margin)), 1e-5);

        // The loss depends on the two sums of log-probabilities only, so its gradient is a weighted sum of theirs.
        var weight = (float)(beta / (1 + Math.Exp(margin)));
        pass.Run(chosen, weight, adapter, full: null);
        pass.Run(rejected, -weight, adapter, full: null);
        AssertGradients(golden, "dpo.grad.", adapter.All);
    }

    [Fact]
    public void Log_probabilities_per_row_add_up_and_masked_rows_are_zero()
    {
        using var golden = new Golden("llama");
        using var pass = new TrainingPass(golden.Model);
        var batch = golden.TrainingBatch();
        var rows = new double[batch.Tokens.Length];
        var loss = pass.Evaluate(batch, (LoraWeights?)null, rows);
        Assert.Equal(loss, -rows.Sum(), 1e-9);
        Assert.All(rows.Zip(batch.Labels), row => Assert.Equal(row.Second == TrainingBatch.NoLabel, row.First == 0));
        var perDocument = golden.Numbers.GetProperty("train").GetProperty("base_loss_per_sequence");
        for (var document = 0; document < 3; document++)
        {
            var range = batch.DocumentStarts[document]..batch.DocumentStarts[document + 1];
            Assert.Equal(perDocument[document].GetDouble(), -rows[range].Sum() / rows[range].Count(value => value != 0), 1e-5);
        }
    }

    private static TrainingBatch Completion(int[] prompt, int[] completion)
    {
        int[] tokens = [.. prompt, .. completion];
        var labels = tokens.Skip(1).Append(TrainingBatch.NoLabel).ToArray();
        labels.AsSpan(0, prompt.Length - 1).Fill(TrainingBatch.NoLabel);
        return new TrainingBatch(tokens, labels, [0, tokens.Length]);
    }

    private static void AssertGradients(Golden golden, string prefix, IReadOnlyList<Parameter> parameters)
    {
        foreach (var parameter in parameters)
        {
            Golden.AssertGradient(golden.Floats(prefix + parameter.Name), parameter.Gradient.Span, parameter.Name);
        }
    }

    private static void AssertValues(Golden golden, string prefix, IReadOnlyList<Parameter> parameters)
    {
        foreach (var parameter in parameters)
        {
            var expected = golden.Floats(prefix + parameter.Name);
            for (var i = 0; i < expected.Length; i++)
            {
                Assert.True(Math.Abs(expected[i] - parameter.Value.Span[i]) <= 2e-5, $"{prefix}{parameter.Name}[{i}]");
            }
        }
    }

    /// <summary>The goldens' optimiser: AdamW with clipping, settings fixed by the data set.</summary>
    private sealed class GoldenOptimiser(Compute compute, IReadOnlyList<Parameter> parameters) : IDisposable
    {
        private readonly List<(Parameter Parameter, Matrix First, Matrix Second)> _state =
            [.. parameters.Select(parameter => (parameter, new Matrix(parameter.Rows, parameter.Columns), new Matrix(parameter.Rows, parameter.Columns)))];

        private int _step;

        /// <summary>Clips, steps and clears the gradients; returns the norm before clipping.</summary>
        public double Step()
        {
            var norm = Math.Sqrt(_state.Sum(state => compute.SumOfSquares(state.Parameter.Gradient.Data, state.Parameter.Rows * state.Parameter.Columns)));
            var scale = (float)Math.Min(1, 1 / (norm + 1e-6));
            _step++;
            foreach (var (parameter, first, second) in _state)
            {
                compute.AdamW(parameter.Value.Data, parameter.Gradient.Data, first.Data, second.Data, parameter.Rows * parameter.Columns,
                    1e-3f, 0.9f, 0.999f, 1e-8f, 0.01f, _step, scale);
                parameter.Gradient.Span.Clear();
            }

            return norm;
        }

        public void Dispose()
        {
            foreach (var (_, first, second) in _state)
            {
                first.Dispose();
                second.Dispose();
            }
        }
    }
}
