using Gateway.Model.Numerics;
using Gateway.Model.Weights;

namespace Gateway.Model.Network;

/// <summary>
/// Final norm, output head and loss at the labelled rows of a training batch, in chunks, so that rows × vocabulary is
/// never held at once.
/// </summary>
internal sealed unsafe class LossHead(Transformer model) : IDisposable
{
    /// <summary>Values of one chunk of logits: at most 64 MiB of f32. Every chunk streams the head's weights twice, so few large ones are best.</summary>
    private const int ChunkValues = 16 << 20;

    /// <summary>Rows of a register tile in the products: chunks are whole tiles.</summary>
    private const int TileRows = 12;

    private readonly ModelConfig _config = model.Config;
    private readonly RowBuffer _input = new();
    private readonly RowBuffer _normed = new();
    private readonly RowBuffer _inverseRms = new();
    private readonly RowBuffer _inputGradient = new();
    private readonly RowBuffer _normedGradient = new();
    private readonly RowBuffer _logits = new();
    private readonly PinnedBuffer<int> _labels = new();
    private readonly PinnedBuffer<int> _rows = new();
    private readonly PinnedBuffer<double> _logProbabilities = new();
    private int _count;

    private Compute Compute => model.Compute;

    /// <summary>The gathered rows in chunks of equal size, so that no small one is left at the end.</summary>
    private int ChunkRows
    {
        get
        {
            var most = Math.Max(TileRows, ChunkValues / _config.VocabularySize / TileRows * TileRows);
            var chunks = Math.Max(1, (_count + most - 1) / most);
            return Math.Max(1, Math.Min(most, ((_count + chunks - 1) / chunks + TileRows - 1) / TileRows * TileRows));
        }
    }

    /// <summary>Gathers the labelled rows of the last residual stream [rows, H] and normalises them.</summary>
    public void Gather(TrainingBatch batch, float* stream)
    {
        _count = batch.Labels.Count(label => label != TrainingBatch.NoLabel);
        _labels.Reserve(_count);
        _rows.Reserve(_count);
        _input.Reserve(_count, _config.HiddenSize);
        _normed.Reserve(_count, _config.HiddenSize);
        _inverseRms.Reserve(_count, 1);
        _logits.Reserve(ChunkRows, _config.VocabularySize);
        var next = 0;
        for (var row = 0; row < batch.Labels.Length; row++)
        {
            if (batch.Labels[row] != TrainingBatch.NoLabel)
            {
                _labels.Data[next] = batch.Labels[row];
                _rows.Data[next] = row;
                Row(stream, row).CopyTo(Row(_input.Data, next));
                next++;
            }
        }

        if (_count > 0)
        {
            Compute.RmsNorm(_input.Data, model.FinalNorm.Data, _count, _config.HiddenSize, _config.RmsNormEpsilon, _normed.Data, _inverseRms.Data);
        }
    }

    /// <summary>
    /// Σ −log p of the gathered rows; writes the scaled gradient of each into its row of <paramref name="gradient"/>
    /// [rows, H] and accumulates those of head and final norm when they are trained.
    /// </summary>
    public double Backward(float lossScale, TransformerParameters? full, float* gradient)
    {
        var (width, vocabulary) = (_config.HiddenSize, _config.VocabularySize);
        _inputGradient.Reserve(_count, width);
        _normedGradient.Reserve(_count, width);
        var loss = 0.0;
        for (var first = 0; first < _count; first += ChunkRows)
        {
            var rows = ComputeLogits(first);
            loss += Compute.CrossEntropy(_logits.Data, rows, vocabulary, _labels.Data + first, lossScale);
            Compute.Multiply(_logits.Data, vocabulary, rows, model.Head.Backward, _normedGradient.Data + ((long)first * width), width, accumulate: false);
            if (full is not null)
            {
                Compute.MultiplyTransposed(_logits.Data, vocabulary, _normed.Data + ((long)first * width), width, rows, vocabulary, width,
                    full.Head.Gradient.Data, width, accumulate: true);
            }
        }

        if (_count > 0)
        {
            new Span<float>(_inputGradient.Data, checked(_count * width)).Clear();
            Compute.RmsNormBackward(_input.Data, model.FinalNorm.Data, _inverseRms.Data, _normedGradient.Data, _count, width,
                _inputGradient.Data, full is null ? null : full.FinalNorm.Gradient.Data);
            for (var i = 0; i < _count; i++)
            {
                Row(_inputGradient.Data, i).CopyTo(Row(gradient, _rows.Data[i]));
            }
        }

        return loss;
    }

    /// <summary>Σ −log p of the gathered rows; writes log p into their rows of a span that is empty or has all rows.</summary>
    public double Score(Span<double> logProbabilities)
    {
        _logProbabilities.Reserve(ChunkRows);
        var loss = 0.0;
        for (var first = 0; first < _count; first += ChunkRows)
        {
            var rows = ComputeLogits(first);
            Compute.LogSoftmaxPick(_logits.Data, rows, _config.VocabularySize, _labels.Data + first, _logProbabilities.Data);
            for (var i = 0; i < rows; i++)
            {
                loss -= _logProbabilities.Data[i];
                if (!logProbabilities.IsEmpty)
                {
                    logProbabilities[_rows.Data[first + i]] = _logProbabilities.Data[i];
                }
            }
        }

        return loss;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _input.Dispose();
        _normed.Dispose();
        _inverseRms.Dispose();
        _inputGradient.Dispose();
        _normedGradient.Dispose();
        _logits.Dispose();
    }

    /// <summary>Fills the logits of one chunk; returns its rows.</summary>
    private int ComputeLogits(int first)
    {
        var rows = Math.Min(ChunkRows, _count - first);
        Compute.Multiply([new Product(_normed.Data + ((long)first * _config.HiddenSize), _config.HiddenSize, rows, model.Head.Weight, _logits.Data, _config.VocabularySize, accumulate: false)]);
        return rows;
    }

    private Span<float> Row(float* rows, int row) => new(rows + ((long)row * _config.HiddenSize), _config.HiddenSize);
}
