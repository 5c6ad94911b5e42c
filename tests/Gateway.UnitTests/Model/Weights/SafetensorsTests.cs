using System.Buffers.Binary;
using System.Text;
using Gateway.Model.Numerics;
using Gateway.Model.Weights;
using Gateway.TestKit;
using Xunit;

namespace Gateway.UnitTests.Model.Weights;

public sealed class SafetensorsTests : IDisposable
{
    private readonly TemporaryFolder _folder = TestData.CreateFolder();

    private string FilePath => Path.Combine(_folder.Path, "x.safetensors");

    [Theory]
    [InlineData("""[]""", 0, "does not start with")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}""", 4, "header is not valid")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "header is not valid")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", 4, "its shape needs 8")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4, "overlaps")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "hole")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 5, "belong to nothing")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 4, "beyond the end")]
    [InlineData("""{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}""", 4, "illegal dimension")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}""", 4, "illegal dimension")]
    [InlineData("""{"a":{"dtype":"F32","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,4]}}""", 4, "overflows")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}""", 4, "illegal data_offsets")]
    [InlineData("""{"a":{"dtype":"Q4","shape":[1],"data_offsets":[0,4]}}""", 4, "unsupported dtype 'Q4'")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"extra":1}}""", 4, "unknown field 'extra'")]
    [InlineData("""{"a":{"dtype":"F32","data_offsets":[0,4]}}""", 4, "header is not valid")]
    [InlineData("""{"a":5}""", 0, "header is not valid")]
    public void Open_refuses_a_broken_header(string header, int dataBytes, string message)
    {
        WriteFile(header, new byte[dataBytes]);
        var exception = Assert.Throws<ModelFormatException>(() => Safetensors.Open(FilePath));
        Assert.Contains(message, exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(new byte[] { 1, 2, 3 }, "too short")]
    [InlineData(new byte[] { 255, 255, 255, 255, 255, 255, 255, 255 }, "announces a header")]
    [InlineData(new byte[] { 9, 0, 0, 0, 0, 0, 0, 0, 123, 125 }, "announces a header")]
    [InlineData(new byte[] { 0, 0, 0, 0, 0, 0, 0, 0 }, "does not start with")]
    public void Open_refuses_a_broken_frame(byte[] content, string message)
    {
        File.WriteAllBytes(FilePath, content);
        Assert.Contains(message, Assert.Throws<ModelFormatException>(() => Safetensors.Open(FilePath)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public unsafe void Read_widens_16_bit_floats_at_any_alignment()
    {
        // The header's length is odd, so both tensors lie at odd addresses.
        WriteFile("""{"b":{"dtype":"BF16","shape":[3],"data_offsets":[0,6]},"h":{"dtype":"F16","shape":[2],"data_offsets":[6,10]},"s":{"dtype":"F32","shape":[],"data_offsets":[10,14]},"e":{"dtype":"F32","shape":[0,4],"data_offsets":[14,14]}} """,
            [0x80, 0x3F, 0x00, 0xC0, 0x01, 0x00, 0x00, 0x3C, 0x01, 0x00, 0x00, 0x00, 0x20, 0x41]);
        using var file = Safetensors.Open(FilePath);
        var values = stackalloc float[3];
        file.Read(file.Tensors["b"], values);
        Assert.Equal([1f, -2f, BitConverter.UInt32BitsToSingle(0x10000)], new Span<float>(values, 3).ToArray());
        file.Read(file.Tensors["h"], values);
        Assert.Equal([1f, 5.9604645e-8f], new Span<float>(values, 2).ToArray());
        file.Read(file.Tensors["s"], values);
        Assert.Equal(10f, values[0]);
        Assert.Equal(0, file.Tensors["e"].Count);
    }

    [Theory]
    [InlineData("F32", new byte[] { 0, 0, 0xC0, 0x7F })]
    [InlineData("F16", new byte[] { 0, 0x7C, 0, 0 })]
    [InlineData("BF16", new byte[] { 0, 0, 0x80, 0xFF })]
    public unsafe void Read_refuses_values_that_are_not_finite(string type, byte[] data)
    {
        WriteFile("""{"a":{"dtype":"TYPE","shape":[COUNT],"data_offsets":[0,4]}}"""
            .Replace("TYPE", type, StringComparison.Ordinal).Replace("COUNT", type == "F32" ? "1" : "2", StringComparison.Ordinal), data);
        using var file = Safetensors.Open(FilePath);
        var values = new float[2];
        var exception = Assert.Throws<ModelFormatException>(() =>
        {
            fixed (float* target = values)
            {
                file.Read(file.Tensors["a"], target);
            }
        });
        Assert.Contains("'a'", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public unsafe void Write_then_read_returns_the_values_sorted_and_aligned()
    {
        using var first = new Matrix(2, 3);
        using var second = new Matrix(1, 1);
        for (var i = 0; i < 6; i++)
        {
            first.Span[i] = i / 3f;
        }

        second.Span[0] = -1.5f;
        SafetensorsWriter.Write(FilePath, [new TensorToSave("b", [2, 3], first), new TensorToSave("a", [1], second)], SavedType.F32);
        var bytes = File.ReadAllBytes(FilePath);
        Assert.Equal(0ul, BinaryPrimitives.ReadUInt64LittleEndian(bytes) % 8);
        Assert.Single(Directory.GetFiles(_folder.Path));
        using var file = Safetensors.Open(FilePath);
        Assert.Equal("pt", file.Metadata["format"]);
        Assert.Equal(0, file.Tensors["a"].Offset);
        var values = stackalloc float[6];
        file.Read(file.Tensors["b"], values);
        Assert.Equal(first.Span.ToArray(), new Span<float>(values, 6).ToArray());
    }

    [Theory]
    [InlineData(0x3F808000u, 0x3F80u)]
    [InlineData(0x3F818000u, 0x3F82u)]
    [InlineData(0x3F808001u, 0x3F81u)]
    [InlineData(0xBF80FFFFu, 0xBF81u)]
    public void ToBF16_rounds_to_nearest_even(uint bits, uint expected)
        => Assert.Equal(expected, Bfloat16Matrix.FromSingle(BitConverter.UInt32BitsToSingle(bits)));

    [Fact]
    public void Write_of_a_value_that_is_not_finite_fails_and_leaves_nothing()
    {
        using var matrix = new Matrix(1, 1);
        matrix.Span[0] = float.MaxValue;
        Assert.Throws<ModelFormatException>(() => SafetensorsWriter.Write(FilePath, [new TensorToSave("a", [1], matrix)], SavedType.BF16));
        Assert.Empty(Directory.GetFiles(_folder.Path));
    }

    public void Dispose() => _folder.Dispose();

    private void WriteFile(string header, byte[] data)
    {
        var json = Encoding.UTF8.GetBytes(header);
        var length = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)json.Length);
        File.WriteAllBytes(FilePath, [.. length, .. json, .. data]);
    }
}
