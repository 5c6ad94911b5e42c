using Gateway.Model.Lora;
using Gateway.Model.Network;
using Gateway.Model.Weights;
using Xunit;

namespace Gateway.UnitTests.Model.Network;

/// <summary>A row's result is the same bits whatever shares its batch and however its sequence was cut.</summary>
public sealed class InvarianceTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(7, 1, 5)]
    [InlineData(16)]
    [InlineData(20, 1)]
    public void Chunked_prefill_and_decoding_equal_the_whole_prompt(params int[] chunks)
    {
        using var golden = new Golden("llama");
        using var adapter = golden.Adapter("adapter");
        var tokens = golden.Ids("input_ids").SelectMany(row => row).ToArray();
        Assert.Equal(Sequences.AllLogits(golden.Model, tokens, adapter), Sequences.AllLogits(golden.Model, tokens, adapter, chunks));
    }

    [Fact]
    public void Mixed_batch_of_base_and_three_adapters_equals_each_alone()
    {
        using var golden = new Golden("llama");
        var model = golden.Model;
        using var first = golden.Adapter("adapter");
        using var second = golden.Adapter("adapter_rslora");
        using var fresh = LoraParameters.Create(LoraSpec.Create(20, 40, Projection.Query, Projection.Down), model.Config, seed: 3);
        foreach (var parameter in fresh.All)
        {
            parameter.Value.Span.Fill(0.01f);
        }

        using var third = fresh.ToLora();
        var ids = golden.Ids("input_ids");
        int[] lengths = [24, 9, 1, 17, 3, 24, 12];
        LoraWeights?[] adapters = [first, null, second, first, third, null, second];
        LogitRows[] wanted = [LogitRows.All, LogitRows.Last, LogitRows.All, LogitRows.None, LogitRows.Last, LogitRows.All, LogitRows.Last];
        using var cache = new KvCache(model.Config, 2 * lengths.Length);
        var slices = new SequenceSlice[lengths.Length];
        for (var i = 0; i < lengths.Length; i++)
        {
            // Block numbers interleave and run backwards, as they do after a while of serving.
            slices[i] = new SequenceSlice(ids[i % 2].AsMemory(0, lengths[i]), 0, Sequences.Blocks(lengths[i], (2 * lengths.Length) - 1 - i, -lengths.Length), adapters[i], wanted[i]);
        }

        var rows = slices.Sum(slice => slice.LogitRowCount);
        var mixed = new float[rows * model.Config.VocabularySize];
        model.Forward(slices, cache, mixed);

        var alone = slices.SelectMany((slice, i) =>
        {
            var all = Sequences.AllLogits(model, slice.Tokens.ToArray(), adapters[i]);
            return all.Skip((lengths[i] - slice.LogitRowCount) * model.Config.VocabularySize);
        });
        Assert.Equal(alone.ToArray(), mixed);
    }

    [Fact]
    public void Fresh_adapter_gives_the_bits_of_the_base_model()
    {
        using var golden = new Golden("qwen2");
        using var fresh = LoraParameters.Create(LoraSpec.Create(8, 16, [.. Projections.All]), golden.Model.Config, seed: 1);
        using var adapter = fresh.ToLora();
        var tokens = golden.Ids("input_ids")[0];
        Assert.Equal(Sequences.AllLogits(golden.Model, tokens, adapter: null), Sequences.AllLogits(golden.Model, tokens, adapter));
    }

    [Fact]
    public void Training_forward_scores_what_serving_scores()
    {
        using var golden = new Golden("qwen2");
        using var adapter = golden.Adapter("adapter");
        using var pass = new TrainingPass(golden.Model);
        var tokens = golden.Ids("input_ids")[0];
        var rows = new double[tokens.Length];
        pass.Evaluate(new TrainingBatch(tokens, [.. tokens.Skip(1), TrainingBatch.NoLabel], [0, tokens.Length]), adapter, rows);
        var logits = Sequences.AllLogits(golden.Model, tokens, adapter);
        for (var row = 0; row + 1 < tokens.Length; row++)
        {
            var z = logits.AsSpan(row * golden.Model.Config.VocabularySize, golden.Model.Config.VocabularySize).ToArray();
            var expected = z[tokens[row + 1]] - z.Max() - Math.Log(z.Sum(value => Math.Exp(value - z.Max())));
            Assert.Equal(expected, rows[row], 1e-5);
        }
    }

    [Fact]
    public void Packed_documents_have_the_loss_and_gradients_of_separate_ones()
    {
        using var golden = new Golden("llama");
        using var packed = LoraParameters.Load(Path.Combine(golden.Folder, "adapter"), golden.Model.Config, new AdapterLimits());
        using var separate = LoraParameters.Load(Path.Combine(golden.Folder, "adapter"), golden.Model.Config, new AdapterLimits());
        using var pass = new TrainingPass(golden.Model);
        var batch = golden.TrainingBatch();
        var loss = pass.Run(batch, 0.1f, packed, full: null);
        var sum = 0.0;
        for (var document = 0; document + 1 < batch.DocumentStarts.Length; document++)
        {
            var range = batch.DocumentStarts[document]..batch.DocumentStarts[document + 1];
            sum += pass.Run(new TrainingBatch(batch.Tokens[range], batch.Labels[range], [0, batch.Tokens[range].Length]), 0.1f, separate, full: null);
        }

        Assert.Equal(sum, loss, 1e-9);
        foreach (var (one, other) in packed.All.Zip(separate.All))
        {
            Golden.AssertGradient(one.Gradient.Span, other.Gradient.Span, one.Name);
        }
    }

    [Fact]
    public void Forward_refuses_tokens_positions_and_blocks_out_of_range()
    {
        using var golden = new Golden("llama");
        using var cache = new KvCache(golden.Model.Config, 1);
        var logits = new float[golden.Model.Config.VocabularySize];
        SequenceSlice Slice(int token, int start, int block) => new(new[] { token }, start, new[] { block }, null, LogitRows.Last);
        Assert.Contains("vocabulary", Assert.Throws<ArgumentException>(() => golden.Model.Forward([Slice(128, 0, 0)], cache, logits)).Message, StringComparison.Ordinal);
        Assert.Contains("blocks", Assert.Throws<ArgumentException>(() => golden.Model.Forward([Slice(1, 16, 0)], cache, logits)).Message, StringComparison.Ordinal);
        Assert.Contains("block 1", Assert.Throws<ArgumentException>(() => golden.Model.Forward([Slice(1, 0, 1)], cache, logits)).Message, StringComparison.Ordinal);
        Assert.Contains("context", Assert.Throws<ArgumentException>(() => golden.Model.Forward([Slice(1, 256, 0)], cache, logits)).Message, StringComparison.Ordinal);
        Assert.Contains("logits", Assert.Throws<ArgumentException>(() => golden.Model.Forward([Slice(1, 0, 0)], cache, logits.AsSpan(1))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Forward_allocates_nothing_in_steady_state()
    {
        using var golden = new Golden("llama");
        using var adapter = golden.Adapter("adapter");
        using var cache = new KvCache(golden.Model.Config, 4);
        var tokens = golden.Ids("input_ids")[0];
        var logits = new float[3 * golden.Model.Config.VocabularySize];
        SequenceSlice[] slices =
        [
            new(tokens, 0, new[] { 0, 1 }, adapter, LogitRows.Last),
            new(tokens.AsMemory(0, 5), 0, new[] { 2 }, null, LogitRows.Last),
            new(tokens.AsMemory(0, 7), 0, new[] { 3 }, adapter, LogitRows.Last),
        ];
        for (var i = 0; i < 3; i++)
        {
            golden.Model.Forward(slices, cache, logits);
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 20; i++)
        {
            golden.Model.Forward(slices, cache, logits);
            golden.Model.Forward(slices.AsSpan(1), cache, logits);
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void Forward_MoreLogitsOfNoMoreRows_AllocatesNothing()
    {
        using var golden = new Golden("llama");
        using var cache = new KvCache(golden.Model.Config, 1);
        var tokens = golden.Ids("input_ids")[0].AsMemory(0, 7);
        var logits = new float[7 * golden.Model.Config.VocabularySize];
        SequenceSlice[] last = [new(tokens, 0, new[] { 0 }, null, LogitRows.Last)];
        SequenceSlice[] all = [new(tokens, 0, new[] { 0 }, null, LogitRows.All)];
        golden.Model.Forward(last, cache, logits);

        var before = GC.GetAllocatedBytesForCurrentThread();
        golden.Model.Forward(all, cache, logits);

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }
}
