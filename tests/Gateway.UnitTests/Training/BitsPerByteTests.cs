using Gateway.Model.Lora;
using Gateway.Model.Network;
using Gateway.Model.Numerics;
using Gateway.Model.Text;
using Gateway.TestKit;
using Gateway.Training.Pretraining;
using Xunit;

namespace Gateway.UnitTests.Training;

public sealed class BitsPerByteTests
{
    [Fact]
    public void Windows_predict_every_token_once_and_divide_by_utf8_bytes()
    {
        using var tiny = new TinyModel(contextLength: 64);
        using var compute = new Compute(1);
        using var model = tiny.Load(compute);
        using var pass = new TrainingPass(model);
        var tokenizer = Tokenizer.Load(tiny.Path);
        var text = string.Concat(Enumerable.Range(0, 30).Select(i => $"wört {i}, "));
        var ids = tokenizer.Encode(text);
        var inputs = (int[])[0, .. ids[..^1]];
        var starts = Enumerable.Range(0, (ids.Length + 63) / 64).Select(i => i * 64).Append(ids.Length).ToArray();
        var nats = pass.Evaluate(new TrainingBatch(inputs, ids, starts), (LoraWeights?)null);
        var expected = nats / Math.Log(2) / System.Text.Encoding.UTF8.GetByteCount(text);
        Assert.Equal(expected, BitsPerByte.Measure(pass, tokenizer, 0, 64, [text]), 1e-9);
        Assert.Equal(expected, BitsPerByte.Measure(pass, tokenizer, 0, 64, [text, text]), 1e-9);
    }
}
