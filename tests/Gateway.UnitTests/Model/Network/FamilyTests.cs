using Gateway.Model.Lora;
using Gateway.Model.Network;
using Gateway.Model.Numerics;
using Gateway.Model.Weights;
using Gateway.TestKit;
using Xunit;

namespace Gateway.UnitTests.Model.Network;

/// <summary>What the goldens do not cover: head norms, free head width, output biases and rotary scaling.</summary>
public sealed class FamilyTests
{
    private static readonly ModelConfig Qwen3 = new()
    {
        Family = ModelFamily.Qwen3,
        HiddenSize = 24,
        IntermediateSize = 40,
        LayerCount = 2,
        HeadCount = 4,
        KeyValueHeadCount = 2,
        HeadDimension = 10,
        VocabularySize = 50,
        ContextLength = 64,
        RmsNormEpsilon = 1e-6f,
        RopeTheta = 10000,
        TiedEmbeddings = false,
        QueryKeyNorm = true,
    };

    private static readonly ModelConfig BiasedLlama = Qwen3 with
    {
        Family = ModelFamily.Llama,
        TiedEmbeddings = true,
        QueryKeyNorm = false,
        QueryKeyValueBias = true,
        OutputBias = true,
        RopeScaling = new Llama3RopeScaling(8, 1, 4, 16),
    };

    public static TheoryData<ModelFamily> Families => [ModelFamily.Qwen3, ModelFamily.Llama];

    [Theory]
    [MemberData(nameof(Families))]
    public void Gradients_agree_with_differences_of_the_loss(ModelFamily family)
    {
        using var compute = new Compute(2);
        using var parameters = Randomised(Config(family));
        using var model = Transformer.Create(parameters, compute);
        using var pass = new TrainingPass(model);
        var batch = Batch();
        pass.Run(batch, 1, adapter: null, parameters);
        foreach (var parameter in parameters.All)
        {
            AssertSlope(parameter, () =>
            {
                model.Refresh(parameters);
                return pass.Evaluate(batch, (LoraWeights?)null);
            });
        }
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void Adapter_gradients_agree_with_differences_of_the_loss(ModelFamily family)
    {
        using var compute = new Compute(2);
        using var parameters = Randomised(Config(family));
        using var model = Transformer.Create(parameters, compute);
        using var pass = new TrainingPass(model);
        using var adapter = LoraParameters.Create(LoraSpec.Create(3, 6, [.. Projections.All]), Config(family), seed: 2);
        var random = new ParameterRandom(9);
        foreach (var parameter in adapter.All)
        {
            random.FillNormal(parameter.Value, 0.2);
        }

        var batch = Batch();
        pass.Run(batch, 1, adapter, full: null);
        foreach (var parameter in adapter.All)
        {
            AssertSlope(parameter, () => pass.Evaluate(batch, adapter));
        }
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void Saved_model_serves_what_training_computed(ModelFamily family)
    {
        using var compute = new Compute(2);
        using var folder = TestData.CreateFolder();
        using var parameters = Randomised(Config(family));
        using var trained = Transformer.Create(parameters, compute);
        parameters.Save(folder.Path, SavedType.F32);
        using var served = Transformer.Load(folder.Path, compute);
        int[] tokens = [1, 7, 33, 4, 9, 9, 2];
        Assert.Equal(Sequences.AllLogits(trained, tokens, adapter: null), Sequences.AllLogits(served, tokens, adapter: null, 2, 1));
        Assert.Equal(64, served.Fingerprint.Length);
        Assert.Throws<InvalidOperationException>(() => trained.Fingerprint);
    }

    [Fact]
    public void Random_initialisation_is_reproducible_and_scaled()
    {
        using var first = TransformerParameters.Create(Qwen3, seed: 4);
        using var second = TransformerParameters.Create(Qwen3, seed: 4);
        using var third = TransformerParameters.Create(Qwen3, seed: 5);
        Assert.All(first.All.Zip(second.All), pair => Assert.Equal(pair.First.Value.Span.ToArray(), pair.Second.Value.Span.ToArray()));
        Assert.NotEqual(first.All[0].Value.Span.ToArray(), third.All[0].Value.Span.ToArray());
        Assert.InRange(Deviation(first["model.embed_tokens.weight"]), 0.018, 0.022);
        Assert.InRange(Deviation(first["model.layers.1.self_attn.o_proj.weight"]), 0.009, 0.011);
        Assert.All(first["model.norm.weight"].Value.Span.ToArray(), value => Assert.Equal(1, value));
    }

    [Fact]
    public void Llama3_scaling_keeps_short_wavelengths_stretches_long_ones_and_blends_between()
    {
        var plain = RopeFrequencies.Inverse(BiasedLlama with { RopeScaling = null });
        var scaled = RopeFrequencies.Inverse(BiasedLlama with { RopeTheta = 10000, RopeScaling = new Llama3RopeScaling(8, 1, 4, 64) });
        for (var i = 0; i < plain.Length; i++)
        {
            var wavelength = 2 * Math.PI / plain[i];
            var blend = ((64 / wavelength) - 1) / (4 - 1);
            var expected = wavelength > 64 ? plain[i] / 8 : wavelength < 16 ? plain[i] : ((1 - blend) * plain[i] / 8) + (blend * plain[i]);
            Assert.Equal(expected, scaled[i], 1e-15);
        }

        Assert.Equal(plain[0], scaled[0]);
        Assert.Equal(plain[^1] / 8, scaled[^1]);
        Assert.Contains(Enumerable.Range(0, plain.Length), i => scaled[i] > plain[i] / 8 && scaled[i] < plain[i]);
    }

    [Fact]
    public void Linear_scaling_divides_every_frequency()
        => Assert.Equal(
            RopeFrequencies.Inverse(Qwen3).Select(frequency => frequency / 4),
            RopeFrequencies.Inverse(Qwen3 with { RopeLinearFactor = 4 }));

    private static double Deviation(Parameter parameter) => Math.Sqrt(parameter.Value.Span.ToArray().Average(value => (double)value * value));

    private static ModelConfig Config(ModelFamily family) => family == ModelFamily.Qwen3 ? Qwen3 : BiasedLlama;

    /// <summary>Parameters far from their initial values, so that every term of the backward pass matters.</summary>
    private static TransformerParameters Randomised(ModelConfig config)
    {
        var parameters = TransformerParameters.Create(config, seed: 1);
        var random = new ParameterRandom(8);
        foreach (var parameter in parameters.All)
        {
            var isNorm = parameter.Name.EndsWith("norm.weight", StringComparison.Ordinal);
            random.FillNormal(parameter.Value, 0.3);
            foreach (ref var value in parameter.Value.Span)
            {
                value += isNorm ? 1 : 0;
            }
        }

        return parameters;
    }

    private static TrainingBatch Batch()
    {
        int[] tokens = [1, 7, 33, 4, 9, 9, 2, 40, 3, 3, 17, 21, 49, 0, 5];
        int[] labels = [7, 33, -100, 9, 9, 2, -100, 3, 3, 17, 21, 49, 0, 5, -100];
        return new TrainingBatch(tokens, labels, [0, 7, 15]);
    }

    /// <summary>The loss must change along a gradient by |gradient|² per unit, measured by a central difference.</summary>
    private static void AssertSlope(Parameter parameter, Func<double> loss)
    {
        var gradient = parameter.Gradient.Span.ToArray();
        var value = parameter.Value.Span.ToArray();
        var norm = Math.Sqrt(gradient.Sum(entry => (double)entry * entry));
        double Shifted(double distance)
        {
            for (var i = 0; i < value.Length; i++)
            {
                parameter.Value.Span[i] = (float)(value[i] + (distance * gradient[i] / norm));
            }

            return loss();
        }

        var step = Math.Min(0.01, 0.01 / norm);
        var slope = (Shifted(step) - Shifted(-step)) / (2 * step);
        Shifted(0);
        Assert.True(Math.Abs(slope - norm) <= (0.01 * norm) + 1e-3, $"{parameter.Name}: slope {slope}, gradient {norm}");
    }
}
