using System.Text.Json;
using Gateway.Model.Lora;
using Gateway.Model.Network;
using Gateway.Model.Numerics;
using Gateway.Model.Weights;
using Xunit;

namespace Gateway.UnitTests.Model.Network;

/// <summary>A tiny random checkpoint with numbers computed in float64 by an independent implementation.</summary>
internal sealed class Golden : IDisposable
{
    private readonly Safetensors _tensors;
    private readonly JsonDocument _numbers;

    public Golden(string variant)
    {
        Folder = Path.Combine(AppContext.BaseDirectory, "Fixtures", "goldens", variant);
        _tensors = Safetensors.Open(Path.Combine(Folder, "golden.safetensors"));
        _numbers = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Folder, "golden.json")));
        Compute = new Compute(2);
        Model = Transformer.Load(Path.Combine(Folder, "model"), Compute);
    }

    public string Folder { get; }

    public Compute Compute { get; }

    public Transformer Model { get; }

    public JsonElement Numbers => _numbers.RootElement;

    public LoraWeights? Adapter(string name)
        => name == "base" ? null : PeftFile.Load(Path.Combine(Folder, name), Model.Config, new AdapterLimits());

    public unsafe float[] Floats(string name)
    {
        var entry = _tensors.Tensors[name];
        var values = new float[entry.Count];
        fixed (float* target = values)
        {
            _tensors.Read(entry, target);
        }

        return values;
    }

    public bool Has(string name) => _tensors.Tensors.ContainsKey(name);

    /// <summary>The rows of a [rows, columns] tensor of token ids.</summary>
    public int[][] Ids(string name)
    {
        var entry = _tensors.Tensors[name];
        var values = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, long>(_tensors.Bytes(entry)).ToArray();
        return [.. values.Select(value => (int)value).Chunk((int)entry.Shape[1])];
    }

    /// <summary>The training batch of the goldens: padding cut off, labels shifted, rows packed as documents.</summary>
    public TrainingBatch TrainingBatch()
    {
        var (ids, labels, mask) = (Ids("train.input_ids"), Ids("train.labels"), Ids("train.attention_mask"));
        var (tokens, shifted, starts) = (new List<int>(), new List<int>(), new List<int> { 0 });
        for (var row = 0; row < ids.Length; row++)
        {
            var length = mask[row].Sum();
            tokens.AddRange(ids[row].Take(length));
            shifted.AddRange(labels[row].Take(length).Skip(1).Append(Gateway.Model.Network.TrainingBatch.NoLabel));
            starts.Add(tokens.Count);
        }

        return new TrainingBatch([.. tokens], [.. shifted], [.. starts]);
    }

    /// <summary>|Δ| ≤ tolerance·max(1, |expected|) everywhere.</summary>
    public static void AssertClose(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, double tolerance, string what)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++)
        {
            if (!(Math.Abs(expected[i] - actual[i]) <= tolerance * Math.Max(1, Math.Abs(expected[i]))))
            {
                Assert.Fail($"{what}[{i}] is {actual[i]}, expected {expected[i]}");
            }
        }
    }

    /// <summary>|Δ| ≤ 1e-4 of the largest entry + 1e-6.</summary>
    public static void AssertGradient(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, string what)
    {
        Assert.Equal(expected.Length, actual.Length);
        var largest = 0f;
        foreach (var value in expected)
        {
            largest = Math.Max(largest, Math.Abs(value));
        }

        for (var i = 0; i < expected.Length; i++)
        {
            if (!(Math.Abs(expected[i] - actual[i]) <= (1e-4 * largest) + 1e-6))
            {
                Assert.Fail($"gradient {what}[{i}] is {actual[i]}, expected {expected[i]}, largest {largest}");
            }
        }
    }

    public void Dispose()
    {
        Model.Dispose();
        Compute.Dispose();
        _numbers.Dispose();
        _tensors.Dispose();
    }
}
