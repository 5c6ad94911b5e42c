using Gateway.Domain.Interactions;
using Gateway.Model.Lora;
using Gateway.Model.Network;
using Gateway.Model.Numerics;
using Gateway.Model.Weights;
using Gateway.TestKit;
using Gateway.Training;
using Gateway.Training.Data;
using Gateway.Training.Sft;
using Xunit;

namespace Gateway.UnitTests.Training;

public sealed class SftTrainerTests : IDisposable
{
    private readonly TinyModel _tiny = new();
    private readonly TemporaryFolder _folder = TestData.CreateFolder();
    private readonly Compute _compute = new(2);
    private readonly Transformer _model;
    private readonly RowEncoder _encoder;

    public SftTrainerTests()
    {
        _model = _tiny.Load(_compute);
        _encoder = new RowEncoder(new ConversationRenderer(_tiny.Path, null, DateTimeOffset.UnixEpoch), contract: null, 256);
    }

    public void Dispose()
    {
        _model.Dispose();
        _compute.Dispose();
        _tiny.Dispose();
        _folder.Dispose();
    }

    private static ExampleRow Row(int number, string target, double weight = 1) => new()
    {
        Id = $"row-{number}",
        Messages = [new ChatMessage { Role = "user", Content = $"message {number}" }],
        Target = target,
        Weight = weight,
        Kind = ExampleKind.Correction,
        Split = ExampleSplit.Train,
    };

    private IReadOnlyList<EncodedExample> Rows(int count, double weight = 1) =>
        _encoder.Encode(Enumerable.Range(0, count).Select(i => Row(i, i % 2 == 0 ? "yes" : "no", weight)));

    private SftResult Train(SftSettings settings, double rate, LoraParameters adapter, Action<int>? onStep = null, CancellationToken token = default, IReadOnlyList<EncodedExample>? rows = null)
    {
        using var pass = new TrainingPass(_model);
        return new SftTrainer(settings, seed: 3, rate, TimeProvider.System) { OnStep = (done, _, _) => onStep?.Invoke(done) }.Train(
            pass, adapter, _compute, rows ?? Rows(20), ReplayMixture.None, Rows(6), Path.Combine(_folder.Path, "checkpoint"), token);
    }

    private LoraParameters Adapter() => LoraParameters.Create(LoraSpec.Create(4, 8, Projections.All), _model.Config, seed: 5);

    [Fact]
    public void Only_the_last_assistant_turn_is_trained_and_its_end_with_it()
    {
        var example = _encoder.Encode([Row(1, "yes") with
        {
            Messages =
            [
                new ChatMessage { Role = "user", Content = "a" },
                new ChatMessage { Role = "assistant", Content = "wrong" },
                new ChatMessage { Role = "user", Content = "b" },
            ],
        }])[0];
        var tokenizer = Gateway.Model.Text.Tokenizer.Load(_tiny.Path);
        var trained = example.Ids.Where((_, i) => example.Mask[i]).ToArray();
        Assert.Equal("yes" + TinyModel.EndToken, tokenizer.Decode(trained, skipSpecialTokens: false));
    }

    [Fact]
    public void A_row_longer_than_the_context_is_dropped_and_counted_never_cut()
    {
        Assert.Empty(_encoder.Encode([Row(1, new string('x', 400))]));
        Assert.Equal(1, _encoder.Dropped["too_long"]);
    }

    [Fact]
    public void Packed_rows_have_the_loss_of_each_row_alone()
    {
        var rows = Rows(5);
        using var pass = new TrainingPass(_model);
        var together = pass.Evaluate(SftBatch.Pack(rows), (LoraWeights?)null);
        Assert.Equal(rows.Sum(row => pass.Evaluate(SftBatch.Pack([row]), (LoraWeights?)null)), together, 1e-9);
    }

    [Fact]
    public void A_few_rows_are_learned_by_heart_and_the_best_epoch_is_kept()
    {
        using var adapter = Adapter();
        var result = Train(new SftSettings { MaxEpochs = 80, Patience = 80 }, 1e-2, adapter);
        Assert.True(result.BestValidationLoss < 0.1, $"validation loss {result.BestValidationLoss}");
        Assert.Equal(result.BestValidationLoss, result.Epochs.Min(epoch => epoch.ValidationLoss));
        using var pass = new TrainingPass(_model);
        var validation = Rows(6);
        var kept = pass.Evaluate(SftBatch.Pack(validation), adapter) / validation.Sum(row => row.TargetCount);
        Assert.Equal(result.BestValidationLoss, kept, 1e-9);
    }

    [Fact]
    public void A_run_cut_at_any_step_ends_with_the_bits_of_an_uninterrupted_one()
    {
        var settings = new SftSettings { MaxEpochs = 4 };
        using var whole = Adapter();
        Train(settings, 5e-3, whole);
        foreach (var cut in (int[])[1, 7, 11])
        {
            File.Delete(Path.Combine(_folder.Path, "checkpoint"));
            using var source = new CancellationTokenSource();
            using (var abandoned = Adapter())
            {
                Assert.Throws<OperationCanceledException>(() => Train(
                    settings, 5e-3, abandoned, step => { if (step == cut) { source.Cancel(); } }, source.Token));
            }

            using var resumed = Adapter();
            Train(settings, 5e-3, resumed);
            Assert.All(whole.All.Zip(resumed.All), pair => Assert.True(pair.First.Value.Span.SequenceEqual(pair.Second.Value.Span), $"{pair.First.Name} after a cut at step {cut}"));
        }
    }

    [Fact]
    public void Patience_ends_a_run_that_no_longer_improves()
    {
        // A learning rate of zero never improves on the first epoch.
        using var adapter = Adapter();
        var result = Train(new SftSettings { MaxEpochs = 30, Patience = 2 }, 0, adapter);
        Assert.True(result.StoppedEarly);
        Assert.Equal(3, result.Epochs.Count);
    }

    [Fact]
    public void A_learning_rate_beyond_all_bounds_is_aborted_by_a_named_watchdog()
    {
        using var adapter = Adapter();
        var aborted = Assert.Throws<TrainingAbortedException>(() => Train(new SftSettings { MaxEpochs = 30, Patience = 30 }, 1e38, adapter));
        Assert.Contains("nan_watchdog", aborted.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Weights_scale_rows_against_each_other_and_not_the_whole_batch()
    {
        var settings = new SftSettings { MaxEpochs = 1, BatchRows = 32 };
        using var full = Adapter();
        using var half = Adapter();
        Train(settings, 1e-3, full, rows: Rows(20, weight: 1));
        File.Delete(Path.Combine(_folder.Path, "checkpoint"));
        Train(settings, 1e-3, half, rows: Rows(20, weight: 0.5));
        Assert.All(full.All.Zip(half.All), pair => Assert.True(pair.First.Value.Span.SequenceEqual(pair.Second.Value.Span)));
    }

    [Theory]
    [InlineData(0.1)]
    [InlineData(0.2)]
    [InlineData(0.3)]
    public void Replay_has_its_share_of_the_tokens_and_goes_round(double share)
    {
        var task = Rows(40);
        var taskTokens = task.Sum(row => (long)row.Ids.Length);
        var mixture = new ReplayMixture(Rows(15), taskTokens, share);
        var epochs = Enumerable.Range(0, 15).Select(epoch => mixture.Epoch(epoch).ToList()).ToList();
        var tokens = epochs[0].Sum(row => (double)row.Ids.Length);
        Assert.Equal(share, tokens / (tokens + taskTokens), 0.02);
        Assert.All(epochs, epoch => Assert.Equal(mixture.RowsPerEpoch, epoch.Count));
        Assert.Equal(15, epochs.SelectMany(epoch => epoch).Select(row => row.Id).Distinct().Count());
    }
}
