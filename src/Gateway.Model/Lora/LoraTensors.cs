using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Gateway.Model.Numerics;
using Gateway.Model.Weights;

namespace Gateway.Model.Lora;

/// <summary>The two factors of one adapted module; owned by the <see cref="LoraTensors"/> that holds it.</summary>
/// <param name="Target">Where and how strongly they act.</param>
/// <param name="A">[rank, in].</param>
/// <param name="B">[out, rank].</param>
public sealed record LoraFactors(LoraTarget Target, Matrix A, Matrix B);

/// <summary>An adapter as plain matrices: the form it has on disk and in which it is trained further.</summary>
public sealed class LoraTensors : IDisposable
{
    /// <summary>Takes ownership of the matrices.</summary>
    public LoraTensors(LoraSpec spec, IReadOnlyList<LoraFactors> factors)
    {
        (Spec, Factors) = (spec, factors);
    }

    /// <summary>The parsed adapter_config.json.</summary>
    public LoraSpec Spec { get; }

    /// <summary>The adapted modules in the order of the forward pass.</summary>
    public IReadOnlyList<LoraFactors> Factors { get; }

    /// <summary>
    /// The generation: SHA-256, 64 hexadecimal digits, over path, rank and scale of every module and its f32 values. It
    /// identifies the function, so an adapter saved in F32 and loaded again keeps its generation.
    /// </summary>
    public unsafe string ComputeGeneration()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var factors in Factors)
        {
            var scale = BitConverter.SingleToUInt32Bits(factors.Target.Scale);
            hash.AppendData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture,
                $"{factors.Target.Path} in={factors.A.Columns} out={factors.B.Rows} rank={factors.Target.Rank} scale={scale:x8}\n")));
            foreach (var matrix in (Matrix[])[factors.A, factors.B])
            {
                for (var row = 0; row < matrix.Rows; row++)
                {
                    hash.AppendData(MemoryMarshal.AsBytes(new ReadOnlySpan<float>(matrix.Data + ((long)row * matrix.Columns), matrix.Columns)));
                }
            }
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var factors in Factors)
        {
            factors.A.Dispose();
            factors.B.Dispose();
        }
    }
}
